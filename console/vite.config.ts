import solid from "vite-plugin-solid";
import { defineConfig } from "vitest/config";

// Everything is bundled: the page asks no other host for anything. Nothing is inlined, so that the policy may forbid inline code.
export default defineConfig({
  plugins: [solid()],
  base: "./",
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false }, reportCompressedSize: false },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
});
