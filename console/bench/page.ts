// What is measured inside the page.

import type { Page } from "playwright-core";
import { ageOf, checked } from "../src/live/number";
import { MEDIA_CEILING } from "../e2e/stage";

export const plays = (page: Page) => page.locator('.picture[data-state="playing"]').waitFor({ timeout: MEDIA_CEILING });
export const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

/** Milliseconds from the click on "Live Session" to the first picture that is on the screen. */
export async function firstPicture(page: Page): Promise<number> {
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
}

/**
 * Ages of the pictures on the screen, milliseconds, for so many seconds: from the instant at which a picture was made, which
 * is painted into it, to the instant at which the page is told that it shows. Pictures whose code cannot be read are left out.
 */
export async function pictureAges(page: Page, secs: number): Promise<{ ages: number[]; unread: number }> {
  const frames = await page.evaluate(
    (ms) =>
      new Promise<{ cells: number; at: number }[]>((done) => {
        const video = document.querySelector("video");
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [64, 32];
        const context = canvas.getContext("2d", { willReadFrequently: true });
        if (!video || !context) throw new Error("no picture");
        const seen: { cells: number; at: number }[] = [];
        const end = performance.now() + ms;
        // A picture that stands still must not hold the bench.
        setTimeout(() => done(seen), ms + 2000);
        const look = () => {
          const at = Date.now();
          context.drawImage(video, 0, video.videoHeight - 32, 64, 32, 0, 0, 64, 32);
          const { data } = context.getImageData(0, 0, 64, 32);
          // The middle of each cell is read here: whole corners would keep the page busy when they are handed out.
          let cells = 0;
          for (let cell = 0; cell < 32; cell += 1) {
            let sum = 0;
            for (let y = 2; y < 6; y += 1)
              for (let x = 2; x < 6; x += 1) sum += data[((Math.floor(cell / 8) * 8 + y) * 64 + (cell % 8) * 8 + x) * 4 + 1] ?? 0;
            cells = cells * 2 + (sum / 16 > 128 ? 1 : 0);
          }
          seen.push({ cells, at });
          if (performance.now() > end) done(seen);
          else video.requestVideoFrameCallback(look);
        };
        video.requestVideoFrameCallback(look);
      }),
    secs * 1000,
  );
  const ages: number[] = [];
  let unread = 0;
  for (const { cells, at } of frames) {
    const time = checked(cells);
    if (time === null) unread += 1;
    else ages.push(ageOf(time, at));
  }
  return { ages, unread };
}

/** Milliseconds from the request that changes the state to the change in the page: request, store, stream and paint. */
export async function eventsToPaint(page: Page, session: string, count: number): Promise<number[]> {
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
}

/** How many frames each overlay was behind its picture when that left the screen, and the share of pictures without any. */
export async function overlayLags(page: Page, secs: number): Promise<{ lags: number[]; bare: number }> {
  const before = await page.evaluate(() => {
    window.lsieShown?.lags.splice(0);
    return window.lsieShown?.frames ?? 0;
  });
  await pause(secs * 1000);
  const shown = await page.evaluate(() => ({ lags: window.lsieShown?.lags ?? [], frames: window.lsieShown?.frames ?? 0 }));
  const frames = shown.frames - before;
  return { lags: shown.lags.map((lag) => Math.round(lag * 30)), bare: frames > 0 ? 1 - Math.min(1, shown.lags.length / frames) : 1 };
}

/** Adds viewers that look at nothing: connections that receive and decode, without a page around them. */
export const addViewers = (page: Page, count: number) =>
  page.evaluate(async (wanted) => {
    const kept = ((window as unknown as { viewers?: RTCPeerConnection[] }).viewers ??= []);
    for (let n = 0; n < wanted; n += 1) {
      const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
      connection.addTransceiver("video", { direction: "recvonly" });
      connection.addTransceiver("audio", { direction: "recvonly" });
      await connection.setLocalDescription();
      const answer = await fetch("/whep/live", { method: "POST", headers: { "content-type": "application/sdp" }, body: connection.localDescription?.sdp ?? "" });
      if (answer.status !== 201) throw new Error(`a viewer is refused: ${answer.status}`);
      await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
      kept.push(connection);
    }
  }, count);

/** What the decoder and the repair of the page's newest connection did so far, and how many connections it made. */
export const received = (page: Page) =>
  page.evaluate(async () => {
    const made = (window as unknown as { made?: RTCPeerConnection[] }).made ?? [];
    const counts = { connections: made.length, framesDecoded: 0, retransmittedPacketsReceived: 0, nackCount: 0, pliCount: 0, freezeCount: 0, totalFreezesDuration: 0 };
    const reports = (await made.at(-1)?.getStats())?.values() as Iterable<Record<string, unknown>> | undefined;
    for (const report of reports ?? [])
      if (report["type"] === "inbound-rtp" && report["kind"] === "video")
        for (const name of Object.keys(counts) as (keyof typeof counts)[]) if (name !== "connections") counts[name] = Number(report[name] ?? 0);
    return counts;
  });

/** Keeps the connections that pages make, for `received`. To be run before the page's own script. */
export function keepConnections(): void {
  const made: RTCPeerConnection[] = [];
  (window as unknown as { made: RTCPeerConnection[] }).made = made;
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      made.push(this);
    }
  };
}

/** Publishes the browser's camera under a name; the returned function makes its pictures stop, without a word, or go on. */
export async function publish(page: Page, name: string): Promise<(flows: boolean) => Promise<void>> {
  await page.evaluate(async (path) => {
    const media = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480, frameRate: 30 } });
    const connection = new RTCPeerConnection();
    const [track] = media.getVideoTracks();
    if (!track) throw new Error("no camera");
    const { sender } = connection.addTransceiver(track, { direction: "sendonly" });
    await connection.setLocalDescription();
    const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/sdp" }, body: connection.localDescription?.sdp ?? "" });
    if (answer.status !== 201) throw new Error(`the publisher is refused: ${answer.status}`);
    await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    (window as unknown as { flow: (flows: boolean) => Promise<void> }).flow = (flows) => sender.replaceTrack(flows ? track : null);
  }, `/whip/${name}`);
  return (flows) => page.evaluate((value) => (window as unknown as { flow: (flows: boolean) => Promise<void> }).flow(value), flows);
}

/** Milliseconds from the last picture to the page saying that it stands still. `stop` makes the pictures end. */
export async function stallIsSaid(page: Page, stop: () => Promise<void>): Promise<number> {
  const said = page.evaluate(
    () =>
      new Promise<number>((done) => {
        const video = document.querySelector("video");
        const picture = document.querySelector<HTMLElement>(".picture");
        if (!video || !picture) throw new Error("no picture");
        let last = performance.now();
        const note = () => {
          last = performance.now();
          video.requestVideoFrameCallback(note);
        };
        video.requestVideoFrameCallback(note);
        const observer = new MutationObserver(() => {
          if (picture.dataset["state"] !== "stalled") return;
          observer.disconnect();
          done(performance.now() - last);
        });
        observer.observe(picture, { attributes: true });
      }),
  );
  await stop();
  return said;
}
