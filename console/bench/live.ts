// What a viewer waits for and what a viewer costs, in real Chromium, as rows of a Markdown table.
//
//   npm run bench -- --bin ../target/release/lsie                the binary; without it LSIE_BIN, or what is built
//   npm run bench -- --samples 20 --secs 20                      clicks and events; seconds of each series of frames
//   npm run bench -- --minutes 30 --only slope                   a long run, for a slope
//   npm run bench -- --viewers 1,5,20 --only cpu                 what how many viewers cost
//   npm run bench -- --quick                                     whether it works at all: few samples, no figures
//
// Parts: first, glass, overlay, event, stall, cpu, loss, slope.

import { existsSync, statSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Browser, Page } from "playwright-core";
import { binary, launch, MEDIA_CEILING, open, Server, until } from "../e2e/stage";
import { quantile, slope, Table } from "./figures";
import * as inPage from "./page";
import { cpuOf, holdings } from "./process";
import { loseDownstream } from "./relay";

const { values: flags } = parseArgs({
  options: {
    bin: { type: "string" },
    samples: { type: "string", default: "20" },
    secs: { type: "string", default: "20" },
    minutes: { type: "string", default: "0" },
    viewers: { type: "string", default: "1,5,20" },
    only: { type: "string" },
    quick: { type: "boolean", default: false },
  },
});
if (flags.bin) process.env["LSIE_BIN"] = resolve(flags.bin);
const number = (text: string | undefined, name: string): number => {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} is a number`);
  return value;
};
const SAMPLES = flags.quick ? 2 : number(flags.samples, "samples");
const SECS = flags.quick ? 3 : number(flags.secs, "secs");
const MINUTES = number(flags.minutes, "minutes");
const VIEWERS = flags.quick ? [1, 2] : flags.viewers.split(",").map((count) => number(count, "viewers"));
const LOSS = 0.02;
const VIEW = { viewport: { width: 1440, height: 900 } };

interface Stage {
  server: Server;
  browser: Browser;
  table: Table;
}

/** Opens a session and a page on it, runs `body`, and leaves neither behind. */
async function watching(stage: Stage, source: string, body: (page: Page, session: string) => Promise<void>, before?: (page: Page) => Promise<unknown>): Promise<void> {
  const context = await stage.browser.newContext(VIEW);
  try {
    const { page } = await open(context, stage.server);
    await before?.(page);
    const session = await stage.server.open(source);
    await inPage.plays(page);
    await body(page, session);
  } finally {
    await context.close();
    await stage.server.endAny();
    await until("no viewer", async () => (await stage.server.status()).engine.peers.viewers === 0, MEDIA_CEILING);
  }
}

const parts: Record<string, (stage: Stage) => Promise<void>> = {
  async first(stage) {
    await watching(stage, "demo:presenter", async (page) => {
      const waits: number[] = [];
      for (let n = 0; n < SAMPLES; n += 1) {
        waits.push(await inPage.firstPicture(page));
        await inPage.plays(page);
      }
      stage.table.series("click to first picture", waits, "ms");
    });
  },

  async glass(stage) {
    for (const [name, size] of [["720p30", "1280x720"], ["1080p30", "1920x1080"]] as const)
      await watching(stage, `test:bars?clock=1&fps=30&size=${size}`, async (page) => {
        await inPage.pictureAges(page, Math.min(3, SECS));
        const { ages, unread } = await inPage.pictureAges(page, SECS);
        stage.table.series(`glass to glass ${name}${unread > 0 ? `, ${unread} pictures unread` : ""}`, ages, "ms");
      });
  },

  async overlay(stage) {
    await watching(stage, "demo:presenter", async (page) => {
      await page.getByText("measured", { exact: true }).first().waitFor({ timeout: MEDIA_CEILING });
      const { lags, bare } = await inPage.overlayLags(page, SECS);
      stage.table.series(`overlay behind its picture (${(bare * 100).toFixed(0)} % of pictures without one)`, lags, "frames");
    });
  },

  async event(stage) {
    await watching(stage, "demo:presenter", async (page, session) => {
      stage.table.series("stimulus asked to count-down painted", await inPage.eventsToPaint(page, session, SAMPLES), "ms");
    });
  },

  async stall(stage) {
    const context = await stage.browser.newContext({ permissions: ["camera", "microphone"] });
    try {
      const { page: publisher } = await open(context, stage.server, "#/health");
      const flow = await inPage.publish(publisher, "bench");
      await watching(stage, "whip:bench", async (page) => {
        const waits: number[] = [];
        for (let n = 0; n < Math.min(SAMPLES, 5); n += 1) {
          waits.push(await inPage.stallIsSaid(page, () => flow(false)));
          await flow(true);
          await inPage.plays(page);
          await inPage.pause(1000);
        }
        stage.table.series("last picture to the page saying that it stands still", waits, "ms");
      });
    } finally {
      await context.close();
    }
  },

  async cpu(stage) {
    const context = await stage.browser.newContext();
    try {
      const { page } = await open(context, stage.server, "#/health");
      await stage.server.open("demo:presenter");
      const pid = async () => (await stage.server.status()).engine.pid ?? 0;
      await until("analysed frames", async () => (await stage.server.status()).engine.counters.frames_analysed > 0, MEDIA_CEILING);
      let there = 0;
      for (const wanted of [0, ...VIEWERS]) {
        await inPage.addViewers(page, wanted - there);
        there = wanted;
        await until(`${wanted} viewers`, async () => (await stage.server.status()).engine.peers.viewers === wanted, MEDIA_CEILING);
        await inPage.pause(2000);
        const [from, begun] = [cpuOf(await pid()), performance.now()];
        await inPage.pause(SECS * 1000);
        const [to, secs] = [cpuOf(await pid()), (performance.now() - begun) / 1000];
        const share = (part: "whole" | "peers") => ((to[part] - from[part]) / secs) * 100;
        const each = wanted > 0 ? `, ${(share("peers") / wanted).toFixed(2)} % a viewer` : "";
        stage.table.single(`engine at ${wanted} viewers, of a core`, `${secs.toFixed(0)} s`, `${share("whole").toFixed(1)} %, peers' threads ${share("peers").toFixed(1)} %${each}`);
      }
    } finally {
      await context.close();
      await stage.server.endAny();
    }
  },

  async loss(stage) {
    const context = await stage.browser.newContext(VIEW);
    const lossy = await loseDownstream(context, LOSS);
    try {
      await context.addInitScript(inPage.keepConnections);
      const { page } = await open(context, stage.server);
      await stage.server.open("test:bars?clock=1&fps=30");
      await inPage.plays(page);
      await inPage.pictureAges(page, Math.min(3, SECS));
      const [before, counted] = [await inPage.received(page), lossy.counts()];
      const { ages } = await inPage.pictureAges(page, SECS);
      const [after, counts] = [await inPage.received(page), lossy.counts()];
      const anew = after.connections - before.connections;
      // A connection that was made anew counts from its own beginning.
      const of = (name: keyof typeof after) => after[name] - (anew > 0 ? 0 : before[name]);
      const [lost, down] = [counts.lost - counted.lost, counts.down - counted.down];
      stage.table.series(`glass to glass 720p30 at ${((lost / Math.max(1, down)) * 100).toFixed(1)} % loss`, ages, "ms");
      stage.table.single(
        "frames decoded under it",
        of("framesDecoded"),
        `${anew > 0 ? `connected anew ${anew} times, since then: ` : ""}${lost} of ${down} packets lost, ${of("nackCount")} NACKs, ${of("retransmittedPacketsReceived")} repaired, ${of("pliCount")} key frames asked for, ${of("freezeCount")} freezes (${of("totalFreezesDuration").toFixed(2)} s)`,
      );
    } finally {
      await context.close();
      lossy.close();
      await stage.server.endAny();
    }
  },

  async slope(stage) {
    if (MINUTES === 0) return;
    await watching(stage, "test:bars?clock=1&fps=30", async (page) => {
      const pid = (await stage.server.status()).engine.pid ?? 0;
      const ages: [number, number][] = [];
      const memory: [number, number][] = [];
      const [begun, end] = [performance.now(), performance.now() + MINUTES * 60_000];
      const first = holdings(pid);
      while (performance.now() < end) {
        const minute = (performance.now() - begun) / 60_000;
        ages.push([minute, quantile((await inPage.pictureAges(page, Math.min(5, MINUTES * 20))).ages, 0.5)]);
        memory.push([minute, holdings(pid).mib]);
        await inPage.pause(Math.min(MINUTES * 2000, Math.max(0, end - performance.now())));
      }
      const last = holdings(pid);
      const values = ages.map(([, age]) => age);
      stage.table.series(`glass to glass over ${MINUTES} min, medians of 5 s`, values, "ms");
      stage.table.single("its slope", values.length, `${slope(ages).toFixed(3)} ms/min`);
      stage.table.single("memory of the engine", memory.length, `${first.mib.toFixed(0)} → ${last.mib.toFixed(0)} MiB, ${slope(memory).toFixed(3)} MiB/min, in the second half ${slope(memory.slice(memory.length >> 1)).toFixed(3)}`);
      stage.table.single("open files, threads", 2, `${first.files} → ${last.files}, ${first.threads} → ${last.threads}`);
    });
  },
};

const wanted = flags.only?.split(",") ?? Object.keys(parts);
for (const name of wanted) if (!(name in parts)) throw new Error(`there is no part ${name}: ${Object.keys(parts).join(", ")}`);
const path = binary();
if (!existsSync(path)) throw new Error(`no binary at ${path}`);
const server = await Server.start();
const browser = await launch();
let failed = 0;
try {
  const built = statSync(path).mtime.toISOString().slice(0, 16);
  console.log(`${cpus().length} × ${cpus()[0]?.model}, load average ${loadavg()[0]?.toFixed(1)}, Chromium ${browser.version()}, ${path.includes("release") ? "release" : "debug"} binary of ${built}\n`);
  const stage: Stage = { server, browser, table: new Table() };
  for (const name of wanted) {
    try {
      await parts[name]?.(stage);
    } catch (error) {
      failed += 1;
      const words = error instanceof Error ? error.message.split("\n")[0] : String(error);
      stage.table.single(name, "–", `not measured: ${words}`);
      await server.endAny().catch(() => {});
    }
  }
} finally {
  await browser.close();
  await server.close();
}
process.exitCode = failed > 0 ? 1 : 0;
