import { render } from "solid-js/web";
import "./theme.css";
import "./layout.css";
import { App } from "./app";
import { start } from "./state/store";

const root = document.getElementById("root");
if (root) {
  start();
  render(() => <App />, root);
}
