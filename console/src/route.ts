// Which page is open: kept in the address, so that it can be linked to and the browser's own way back works.

import { createSignal } from "solid-js";

export const PAGES = [
  { id: "overview", title: "Overview" },
  { id: "live", title: "Live Session" },
  { id: "experiments", title: "Experiments" },
  { id: "physiology", title: "Physiology" },
  { id: "health", title: "Health" },
  { id: "sessions", title: "Sessions" },
] as const;

export type PageId = (typeof PAGES)[number]["id"];

const START: PageId = "live";

/** The page of an address; the start page for any other. */
export function pageOf(hash: string): PageId {
  const wanted = hash.replace(/^#\/?/, "").split("/")[0];
  return PAGES.find((page) => page.id === wanted)?.id ?? START;
}

const [page, setPage] = createSignal<PageId>(typeof location === "undefined" ? START : pageOf(location.hash));
export { page };

export function listen(): void {
  addEventListener("hashchange", () => {
    setPage(pageOf(location.hash));
    // Whoever listens to the page or steps through it begins at its title.
    queueMicrotask(() => document.querySelector<HTMLElement>("main h1")?.focus({ preventScroll: true }));
  });
}
