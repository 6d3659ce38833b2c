// What a viewer waits for, in real Chromium: from opening the page and from the click to the first picture, how far the overlay
// is behind its picture, and from a stored event to the page. Run with `npm run bench`; prints a table in Markdown.

import { cpus, loadavg } from "node:os";
import type { Page } from "playwright-core";
import { launch, MEDIA_CEILING, open, Server, until } from "../e2e/stage";

const VIEWS = 20;
const EVENTS = 20;
const OVERLAY_SECS = 20;

const sorted = (values: number[]): number[] => [...values].sort((a, b) => a - b);
const at = (values: number[], share: number): number => sorted(values)[Math.floor((values.length - 1) * share)] ?? Number.NaN;
const row = (name: string, values: number[], unit: string, digits = 0): string =>
  `| ${name} | ${values.length} | ${at(values, 0.5).toFixed(digits)} ${unit} | ${at(values, 0.95).toFixed(digits)} ${unit} | ${at(values, 1).toFixed(digits)} ${unit} |`;

const plays = (page: Page) => page.locator('.picture[data-state="playing"]').waitFor({ timeout: MEDIA_CEILING });

/** Milliseconds from the click on "Live Session" to the first picture on the screen, measured inside the page. */
const firstPicture = async (page: Page): Promise<number> => {
  await page.getByRole("navigation").getByRole("link", { name: "Health" }).click();
  await page.getByRole("heading", { level: 1, name: "Health" }).waitFor();
  return page.evaluate(
    () =>
      new Promise<number>((done) => {
        const from = performance.now();
        document.querySelector<HTMLAnchorElement>('nav a[href="#/live"]')?.click();
        const look = () => {
          const video = document.querySelector("video");
          if (video) video.requestVideoFrameCallback((shownAt) => done(shownAt - from));
          else requestAnimationFrame(look);
        };
        look();
      }),
  );
};

/** Milliseconds from the request that changes the state to the change in the page: request, store, stream and paint. */
const eventToPaint = async (page: Page, count: number): Promise<number[]> => {
  const session = await page.evaluate(async () => ((await (await fetch("/api/v2/status")).json()) as { session_id: string }).session_id);
  const all: number[] = [];
  for (let n = 0; n < count; n += 1) {
    await page.locator('[data-testid="stimulus"]:enabled').waitFor({ timeout: MEDIA_CEILING });
    all.push(
      await page.evaluate(
        (id) =>
          new Promise<number>((done) => {
            const from = performance.now();
            const observer = new MutationObserver(() => {
              if (!document.querySelector('[role="timer"]')) return;
              observer.disconnect();
              requestAnimationFrame(() => done(performance.now() - from));
            });
            observer.observe(document.body, { subtree: true, childList: true, characterData: true });
            const body = JSON.stringify({ operator_note: null, client_action_id: crypto.randomUUID() });
            void fetch(`/api/v1/operator/sessions/${id}/stimulus`, { method: "POST", headers: { "content-type": "application/json" }, body });
          }),
        session,
      ),
    );
    await page.getByRole("button", { name: "Yes, delivered" }).click();
  }
  return all;
};

const server = await Server.start();
const browser = await launch();
try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const { page } = await open(context, server);
  await server.open("demo:presenter");
  await plays(page);
  await page.locator('[data-testid="stimulus"]:enabled').waitFor({ timeout: MEDIA_CEILING });
  await page.evaluate(() => window.lsieShown?.lags.splice(0));
  await page.waitForTimeout(OVERLAY_SECS * 1000);
  const lags = (await page.evaluate(() => window.lsieShown?.lags ?? [])).map((secs) => secs * 30);
  const events = await eventToPaint(page, EVENTS);
  const views: number[] = [];
  for (let n = 0; n < VIEWS; n += 1) {
    views.push(await firstPicture(page));
    await until("one viewer", async () => (await server.status()).engine.peers.viewers <= 1);
  }
  console.log(`${cpus().length} × ${cpus()[0]?.model}, load average ${loadavg()[0]?.toFixed(1)}, Chromium ${browser.version()}\n`);
  console.log("| what | n | median | p95 | most |\n|---|---|---|---|---|");
  console.log(row("click to first picture", views, "ms"));
  console.log(row("overlay behind its picture", lags, "frames", 1));
  console.log(row("stimulus asked to count-down painted", events, "ms"));
} finally {
  await browser.close();
  await server.close();
}
