// What happens when things break while somebody watches.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { CEILING, EXPERIMENT, launch, MEDIA_CEILING, open, Server, shot, tidy, until } from "./stage";

let server: Server;
let browser: Browser;

beforeAll(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});
afterEach((context) => tidy(context, browser, server));
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

it("says that the server is away, reconnects by itself, and shows the new server's state", async () => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const { page, faults } = await open(context, server);
  await page.getByText("Step 1 of 3").waitFor();
  const port = new URL(server.address).port;
  await server.stop("SIGKILL");
  await page.getByRole("alert").getByText(/The server is away/).waitFor();
  await page.getByText("The server does not answer; the page reconnects by itself.").waitFor();
  expect(await page.getByTestId("stimulus").isDisabled()).toBe(true);
  await shot(page, "10-server-away");
  await server.run(port);
  await page.getByRole("alert").waitFor({ state: "detached", timeout: MEDIA_CEILING });
  const session = await server.open("demo:presenter");
  await page.getByRole("button", { name: "End session" }).waitFor({ timeout: MEDIA_CEILING });
  await server.end(session);
  await page.getByText("Step 1 of 3").waitFor();
  expect(faults).toEqual([]);
  await context.close();
}, 120_000);

it("says that the engine comes back, and goes on with the session", async () => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const { page, faults } = await open(context, server);
  const session = await server.open("demo:presenter");
  await page.locator('[data-testid="stimulus"]:enabled').waitFor({ timeout: MEDIA_CEILING });
  const before = (await server.status()).engine.pid ?? 0;
  process.kill(before, "SIGKILL");
  await page.getByText("The media engine is coming back").waitFor();
  expect(await page.getByTestId("stimulus").isDisabled()).toBe(true);
  await shot(page, "11-engine-away");
  await until("another engine", async () => {
    const pid = (await server.status()).engine.pid;
    return pid !== null && pid !== before;
  });
  await page.locator('[data-testid="stimulus"]:enabled').waitFor({ timeout: MEDIA_CEILING });
  await page.getByText("demo:presenter plays").waitFor({ timeout: MEDIA_CEILING });
  expect((await server.status()).session_id).toBe(session);
  expect((await server.readback(session)).data_gaps.length).toBeGreaterThan(0);
  await shot(page, "12-engine-back");
  await server.end(session);
  expect(faults).toEqual([]);
  await context.close();
}, 180_000);

it("lets no page of another origin write, watch or frame us", async () => {
  const foreign = createServer((_request, response) => response.setHeader("content-type", "text/html").end("<!doctype html><title>elsewhere</title>"));
  await new Promise<void>((done) => foreign.listen(0, "127.0.0.1", done));
  const context = await browser.newContext();
  const page = await context.newPage();
  const before = (await server.status()).session_id;
  try {
    await page.goto(`http://127.0.0.1:${(foreign.address() as AddressInfo).port}/`);
    const outcome = await page.evaluate(
      async ([address, experiment]) => {
        const tried: Record<string, string> = {};
        const ask = async (name: string, path: string, type: string, body: string) => {
          // "no-cors" sends without asking first, as a form would.
          await fetch(address + path, { method: "POST", mode: "no-cors", headers: { "content-type": type }, body }).catch(() => {});
          tried[name] = await fetch(address + path, { method: "POST", body }).then(
            (answer) => `read ${answer.status}`,
            () => "unreadable",
          );
        };
        const start = JSON.stringify({ stream_url: "demo:presenter", experiment_id: experiment, client_action_id: "00000000-0000-4000-8000-000000000001" });
        await ask("start", "/api/v2/sessions", "text/plain", start);
        await ask("watch", "/whep/live", "text/plain", "v=0");
        tried["read"] = await fetch(`${address}/api/v2/status`).then(
          (answer) => `read ${answer.status}`,
          () => "unreadable",
        );
        return tried;
      },
      [server.address, EXPERIMENT] as const,
    );
    expect(outcome).toEqual({ start: "unreadable", watch: "unreadable", read: "unreadable" });
    expect((await server.status()).session_id).toBe(before);
    for (const path of ["/api/v2/sessions", "/whep/live", "/whip/studio"]) {
      const answer = await fetch(server.address + path, { method: "POST", headers: { origin: "http://evil.example", "content-type": "application/sdp" }, body: "v=0" });
      expect(answer.status, path).toBe(403);
    }
    const framed = await page.evaluate(
      (address) =>
        new Promise<boolean>((done) => {
          const frame = document.createElement("iframe");
          frame.onload = () => done(frame.contentDocument === null);
          frame.src = address;
          document.body.append(frame);
        }),
      server.address,
    );
    expect(framed).toBe(true);
    const text = await page.frames()[1]?.evaluate(() => document.body.innerText).catch(() => "");
    expect(text ?? "").not.toContain("Live Session");
  } finally {
    await context.close();
    foreign.close();
  }
}, 4 * CEILING);

it("serves the page with its policy, its files for ever, and nothing else", async () => {
  const page = await fetch(server.address);
  const policy = page.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain("unsafe");
  const html = await page.text();
  const script = /src="\.\/(assets\/[^"]+\.js)"/.exec(html)?.[1];
  const file = await fetch(`${server.address}/${script}`);
  expect([file.status, file.headers.get("content-type")]).toEqual([200, "text/javascript; charset=utf-8"]);
  if (!process.env["LSIE_CONSOLE_DIR"]) {
    expect(file.headers.get("cache-control")).toContain("immutable");
    expect(page.headers.get("cache-control")).toBe("no-cache");
  }
  const text = await file.text();
  const hosts = [...text.matchAll(/https?:\/\/[a-z0-9.-]+/g)].map((found) => found[0]).filter((host) => !host.endsWith("www.w3.org"));
  expect(hosts, "the bundle names no other host").toEqual([]);
  for (const path of ["assets/none.js", "assets/..%2findex.html", "assets/%2e%2e/Cargo.toml"]) {
    expect((await fetch(`${server.address}/${path}`)).status, path).toBe(404);
  }
});
