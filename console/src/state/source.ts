// Addresses of sources, as the start dialog offers and checks them.

/** Sources that are worth offering; any other address may be typed. */
export const SOURCES = [
  ["demo:presenter", "the demo presenter, with known smiles"],
  ["android://device", "the phone on the cable"],
  ["whip:studio", "a publisher that sends to /whip/studio"],
] as const;

/** What is wrong with a source address, or null. */
export function sourceFault(address: string): string | null {
  const text = address.trim();
  if (!text) return "Say which source to open.";
  return /^[a-z][a-z0-9+.-]*:\S+$/i.test(text) ? null : "A source begins with its kind, e.g. demo:presenter or android://device.";
}
