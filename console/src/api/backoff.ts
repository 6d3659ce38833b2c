// How long to wait before the next try: 0.5 s, doubling to 8 s (console 5).

const FIRST_MS = 500;
const LAST_MS = 8000;

/** Milliseconds before try number `tries` (0: the first after a failure). */
export const delayMs = (tries: number): number => Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(Math.max(0, tries), 10));
