// A whole session by clicks against the demo presenter, and every page in every width.

import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { accessibilityFaults, EXPERIMENT, launch, MEDIA_CEILING, open, Server, shot, shots, tidy } from "./stage";

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

it("leads through a session: start, baseline, stimulus, attestation, reward, end", async () => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const { page, faults } = await open(context, server);
  const stimulus = page.getByTestId("stimulus");

  await page.getByText("Step 1 of 3").waitFor();
  expect(await stimulus.isDisabled()).toBe(true);
  await page.getByText("No session is open: start one first.").waitFor();
  expect(await accessibilityFaults(page)).toEqual([]);
  await shots(page, "01-gate");

  await page.getByRole("button", { name: "Start session" }).first().click();
  const dialog = page.getByRole("dialog", { name: "Start a session" });
  await dialog.getByLabel("Source").fill("presenter");
  await dialog.getByRole("button", { name: "Start", exact: true }).click();
  await dialog.getByText("A source begins with its kind").waitFor();
  await dialog.getByLabel("Source").fill("nonsense:thing");
  await dialog.getByRole("button", { name: "Start", exact: true }).click();
  await dialog.getByRole("alert").waitFor();
  expect(await accessibilityFaults(page)).toEqual([]);
  await shot(page, "02-start-refused");
  await dialog.getByLabel("Source").fill("demo:presenter");
  await shot(page, "02-start");
  await dialog.getByRole("button", { name: "Start", exact: true }).click();
  await dialog.waitFor({ state: "detached" });

  await page.getByText(/neutral baseline/).first().waitFor({ timeout: MEDIA_CEILING });
  await shot(page, "03-calibrating");
  await page.getByText(/neutral baseline · 45 face frames/).waitFor({ timeout: MEDIA_CEILING });
  await page.locator('[data-testid="stimulus"]:enabled').waitFor({ timeout: MEDIA_CEILING });
  expect(await accessibilityFaults(page)).toEqual([]);
  await shots(page, "04-ready");

  await stimulus.click();
  await page.getByRole("timer").waitFor();
  expect(await stimulus.isDisabled()).toBe(true);
  await page.getByRole("button", { name: "Yes, delivered" }).waitFor();
  expect(await accessibilityFaults(page)).toEqual([]);
  await shots(page, "05-measuring");
  await page.getByRole("button", { name: "Yes, delivered" }).click();

  const reward = page.getByRole("region", { name: "Reward" });
  await reward.getByText(/^Counted: 0\.\d{3} × 1 = 0\.\d{3}\.$/).waitFor({ timeout: MEDIA_CEILING });
  for (const term of ["Strongest smile (P90)", "× delivered", "= reward", "→ belief in the line"]) await reward.getByText(term).waitFor();
  await page.locator('[data-testid="stimulus"]:enabled').waitFor({ timeout: MEDIA_CEILING });
  expect(await accessibilityFaults(page)).toEqual([]);
  await reward.scrollIntoViewIfNeeded();
  await shots(page, "06-reward");

  const session = (await server.status()).session_id ?? "";
  const stored = (await server.readback(session)).encounters[0];
  expect(stored).toMatchObject({ applied: true, semantic_gate: 1, semantic_method: "operator_attested" });
  expect(await reward.getByText("= reward").locator("..").locator(".value").textContent()).toBe(stored?.gated_reward?.toFixed(3));

  for (const [name, title] of [["overview", "Overview"], ["experiments", "Experiments"], ["physiology", "Physiology"], ["health", "Health"], ["sessions", "Sessions"]] as const) {
    await page.getByRole("navigation").getByRole("link", { name: title }).click();
    await page.getByRole("heading", { level: 1, name: title }).waitFor();
    expect(await accessibilityFaults(page), title).toEqual([]);
    await shots(page, `07-${name}`);
  }
  await page.getByRole("navigation").getByRole("link", { name: "Live Session" }).click();

  await page.getByRole("button", { name: "End session" }).click();
  const question = page.getByRole("dialog", { name: "End this session?" });
  await question.getByRole("button", { name: "Keep it open" }).click();
  expect((await server.status()).session_id).toBe(session);
  await page.getByRole("button", { name: "End session" }).click();
  expect(await accessibilityFaults(page)).toEqual([]);
  await shot(page, "08-end");
  await question.getByRole("button", { name: "End the session" }).click();
  await page.getByText("Step 1 of 3").waitFor();
  expect((await server.status()).session_id).toBeNull();
  expect(faults).toEqual([]);
  await context.close();
}, 240_000);

it("can be led by the keyboard alone", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const { page, faults } = await open(context, server);
  const name = () => page.evaluate(() => (document.activeElement as HTMLElement | null)?.innerText || document.activeElement?.getAttribute("aria-label") || document.activeElement?.tagName);
  /** Steps on until the control with this name has the focus. */
  const reach = async (wanted: string, ceiling = 60) => {
    for (let steps = 0; steps < ceiling; steps += 1) {
      await page.keyboard.press("Tab");
      if ((await name()) === wanted) return;
    }
    throw new Error(`the keyboard does not reach ${wanted}`);
  };
  await reach("Skip to the page");
  await page.keyboard.press("Enter");
  await reach("Start session");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect(await name(), "the focus returns to where it was").toBe("Start session");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByRole("button", { name: "Start", exact: true, disabled: false }).waitFor();
  await reach("Start");
  await page.keyboard.press("Enter");
  await page.locator('[data-testid="stimulus"]:enabled').waitFor({ timeout: MEDIA_CEILING });
  await reach("Mesh");
  await page.keyboard.press("Space");
  expect(await page.getByRole("button", { name: "Mesh" }).getAttribute("aria-pressed")).toBe("false");
  await shot(page, "09-focus");
  await reach("Send Stimulus");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Yes, delivered" }).waitFor();
  await reach("Yes, delivered");
  await page.keyboard.press("Enter");
  await page.getByText(/^Counted:/).waitFor({ timeout: MEDIA_CEILING });
  await reach("End session");
  await page.keyboard.press("Enter");
  await reach("End the session");
  await page.keyboard.press("Enter");
  await page.getByText("Step 1 of 3").waitFor();
  expect(faults).toEqual([]);
  await context.close();
}, 180_000);

it("has an experiment to offer", async () => {
  const known = (await (await fetch(`${server.address}/api/v1/operator/experiments`)).json()) as { experiment_id: string }[];
  expect(known.map((row) => row.experiment_id)).toContain(EXPERIMENT);
});
