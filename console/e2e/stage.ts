// Starts real servers and real browsers, and takes their pictures.

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import axe from "axe-core";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import type { RunnerTask } from "vitest";
import type { LiveReadback, Status } from "../src/generated/schemas";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const TARGET = resolve(ROOT, process.env["CARGO_TARGET_DIR"] || "target");
/** Every picture that the tests take. */
export const SHOTS = join(TARGET, "screenshots");
/** Ends a hanging wait; no test depends on how quick the machine is. */
export const CEILING = 15_000;
/** Ends a hanging wait for something that takes seconds of media. */
export const MEDIA_CEILING = 60_000;
export const EXPERIMENT = "greeting_line_v1";

/** The program that is tested: the one that `LSIE_BIN` names, else what is built. */
export function binary(): string {
  const named = process.env["LSIE_BIN"];
  const found = [named, join(TARGET, "debug/lsie"), join(TARGET, "release/lsie")].find((path) => path && existsSync(path));
  if (!found) throw new Error(`no lsie in ${TARGET}: build it with cargo build -p lsie, or name it with LSIE_BIN`);
  return found;
}

/** A server of its own, with a state folder that outlives its restarts. */
export class Server {
  address = "";
  private child: ChildProcess | null = null;
  private readonly root = mkdtempSync(join(tmpdir(), "lsie-console-"));

  static async start(): Promise<Server> {
    const server = new Server();
    await server.run("0");
    return server;
  }

  get log(): string {
    return readFileSync(join(this.root, "server.log"), "utf8");
  }

  /** Starts it, again on the same port when it ran before. */
  async run(port: string): Promise<void> {
    const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LSIE_")));
    const folder = process.env["LSIE_CONSOLE_DIR"];
    const log = openSync(join(this.root, "server.log"), "a");
    const child = spawn(binary(), ["serve", "--port", port, "--state-dir", join(this.root, "state"), ...(folder ? ["--console-dir", folder] : [])], {
      env: { ...environment, XDG_CONFIG_HOME: "/nonexistent" },
      stdio: ["ignore", "pipe", log],
    });
    this.child = child;
    this.address = await new Promise<string>((done, fail) => {
      let said = "";
      child.stdout?.on("data", (piece: Buffer) => {
        said += piece.toString();
        const found = /LSIE is ready: (\S+)/.exec(said);
        if (found?.[1]) done(found[1]);
      });
      child.on("exit", () => fail(new Error(`the server ended: ${said}\n${this.log}`)));
    });
    await until("the engine", async () => (await this.status()).engine.state === "ok");
  }

  async status(): Promise<Status> {
    return (await (await fetch(`${this.address}/api/v2/status`)).json()) as Status;
  }

  async readback(session: string): Promise<LiveReadback> {
    return (await (await fetch(`${this.address}/api/v2/sessions/${session}/readback`)).json()) as LiveReadback;
  }

  async open(source: string): Promise<string> {
    const body = { stream_url: source, experiment_id: EXPERIMENT, client_action_id: randomUUID() };
    const answer = await fetch(`${this.address}/api/v2/sessions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const accepted = (await answer.json()) as { session_id: string; detail?: string };
    if (!answer.ok) throw new Error(`${source} was refused: ${JSON.stringify(accepted)}`);
    return accepted.session_id;
  }

  async end(session: string): Promise<void> {
    await fetch(`${this.address}/api/v1/sessions/${session}/end`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ client_action_id: randomUUID() }),
    });
  }

  /** Ends whatever session a test has left open. */
  async endAny(): Promise<void> {
    const id = (await this.status()).session_id;
    if (!id) return;
    await this.end(id);
    await until("the end of the session", async () => (await this.status()).session_id === null);
  }

  /** Ends the process as the system would, or at once. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.child;
    this.child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((done) => child.once("close", () => done()));
    child.kill(signal);
    await gone;
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Waits until `holds`, at most the ceiling. */
export async function until(what: string, holds: () => Promise<boolean>, ceiling = CEILING): Promise<void> {
  const end = Date.now() + ceiling;
  for (;;) {
    if (await holds().catch(() => false)) return;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

export async function launch(): Promise<Browser> {
  const program = process.env["CHROMIUM"] ?? execFileSync("which", ["chromium"]).toString().trim();
  const isRoot = process.getuid?.() === 0;
  return chromium.launch({
    executablePath: program,
    args: [
      ...(isRoot ? ["--no-sandbox"] : []),
      "--autoplay-policy=no-user-gesture-required",
      "--use-fake-ui-for-media-stream",
      "--use-fake-device-for-media-stream",
    ],
  });
}

/** A page on the server that fails the test for whatever it should not do: errors, broken policy. */
export async function open(context: BrowserContext, server: Server, hash = ""): Promise<{ page: Page; faults: string[] }> {
  const page = await context.newPage();
  page.setDefaultTimeout(CEILING);
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    const text = message.text();
    // A server that is away, or a peer that is refused, is what some tests are about.
    if (message.type() === "error" && !text.startsWith("Failed to load resource")) faults.push(text);
  });
  await page.goto(`${server.address}/${hash}`);
  await page.getByRole("navigation").waitFor();
  await page.locator("main h1").waitFor();
  return { page, faults };
}

/** After each test: keeps what a failure looked like (picture, words, log), then leaves nothing open. */
export async function tidy({ task }: { task: Pick<RunnerTask, "name" | "result"> }, browser: Browser | undefined, server: Server | undefined): Promise<void> {
  const contexts = browser?.contexts() ?? [];
  if (task.result?.state === "fail") {
    for (const page of contexts.flatMap((context) => context.pages())) {
      const words = await page.locator("body").innerText().catch((error: unknown) => String(error));
      await shot(page, `failed-${task.name.replace(/\W+/g, "-").slice(0, 60)}`).catch(() => undefined);
      console.error(`${task.name}: the page says\n${words}`);
    }
    console.error(`${task.name}: the server said\n${server?.log.split("\n").slice(-40).join("\n")}`);
  }
  await Promise.all(contexts.map((context) => context.close()));
  await server?.endAny();
}

/** Takes a picture of the page. */
export async function shot(page: Page, name: string): Promise<void> {
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`) });
}

/** The same state at every width and in both schemes; contrast and the rest are judged in both. */
export async function shots(page: Page, name: string): Promise<void> {
  const before = page.viewportSize();
  for (const colorScheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme });
    for (const width of [720, 1024, 1440]) {
      await page.setViewportSize({ width, height: 900 });
      await page.waitForTimeout(150);
      const right = await page.evaluate(() => Math.max(...[...document.querySelectorAll("main > *, .action-bar, .status-line")].map((part) => part.getBoundingClientRect().right)));
      if (right > width + 1) throw new Error(`${name} is ${right} px wide on a screen of ${width}`);
      await shot(page, `${name}-${width}-${colorScheme}`);
    }
    const faults = await accessibilityFaults(page);
    if (faults.length > 0) throw new Error(`${name}, ${colorScheme}: ${faults.join("\n")}`);
  }
  await page.emulateMedia({ colorScheme: "dark" });
  if (before) await page.setViewportSize(before);
}

/** What axe finds wrong with the page, in words. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  // The policy of the page forbids foreign scripts; this one comes through the browser's own door.
  await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    const engine = (globalThis as unknown as { axe: typeof axe }).axe;
    return (await engine.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })).violations;
  });
  return found.map((fault) => `${fault.id}: ${fault.help}: ${fault.nodes.map((node) => node.html).join(" | ")}`);
}
