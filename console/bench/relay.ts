// A way between a page and the media engine that loses packets on the way down: a UDP relay on loopback, put into the
// server's answers. Only media and their reports are lost (RFC 7983: first byte 128 to 191); the connection itself stands.

import { createSocket, type Socket } from "node:dgram";
import type { BrowserContext } from "playwright-core";

export interface Lossy {
  /** Packets that came down, and those of them that were lost. */
  counts(): { down: number; lost: number };
  close(): void;
}

/** Every answer of `/whep/` that a page of this context gets leads through a relay that loses `share` of what comes down. */
export async function loseDownstream(context: BrowserContext, share: number): Promise<Lossy> {
  const sockets: Socket[] = [];
  const counts = { down: 0, lost: 0 };
  // Every n-th packet and a little more would be regular; this is a seeded walk, the same in every run.
  let seed = 1;
  const isLost = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647 < share;
  };
  const bound = async (): Promise<Socket> => {
    const socket = createSocket("udp4");
    sockets.push(socket);
    // A peer that is gone is no fault of the relay.
    socket.on("error", () => {});
    await new Promise<void>((done) => socket.bind(0, "127.0.0.1", done));
    return socket;
  };
  const relay = async (enginePort: number): Promise<number> => {
    const down = await bound();
    // The page tries several ways at once; to the engine each must come from a place of its own.
    const ways = new Map<number, Promise<Socket>>();
    const way = async ({ port, address }: { port: number; address: string }): Promise<Socket> => {
      const up = await bound();
      up.on("message", (packet) => {
        const first = packet[0] ?? 0;
        const isMedia = first >= 128 && first <= 191;
        if (isMedia) counts.down += 1;
        if (isMedia && isLost()) counts.lost += 1;
        else down.send(packet, port, address);
      });
      return up;
    };
    down.on("message", async (packet, from) => {
      const known = ways.get(from.port) ?? way(from);
      ways.set(from.port, known);
      (await known).send(packet, enginePort, "127.0.0.1");
    });
    return down.address().port;
  };
  await context.route("**/whep/**", async (route) => {
    // A page that is closed in the middle of its last word has nothing to lose any more.
    if (route.request().method() !== "POST") return route.continue().catch(() => {});
    const response = await route.fetch().catch(() => null);
    if (!response) return;
    let body = await response.text();
    for (const found of body.matchAll(/a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) typ host[^\r\n]*/gi)) {
      const port = Number(found[1]);
      body = body.replaceAll(found[0], found[0].replace(` ${port} `, ` ${await relay(port)} `));
    }
    await route.fulfill({ response, body }).catch(() => {});
  });
  return { counts: () => ({ ...counts }), close: () => sockets.forEach((socket) => socket.close()) };
}
