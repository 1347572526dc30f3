import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { log, reasonOf } from "./log";
import { addressesOf } from "./names";
import type { Pgbouncer } from "./pgbouncer";
import type { Settings } from "./settings";

/** Time between two looks, ms. */
const LOOK_MS = 500;

/** Longest wait for a proxy to accept, ms. */
const ACCEPT_MS = 400;

/**
 * Whether PgBouncer has to move: a proxy that took connections takes none any more, and another one does.
 * @param before,now addresses of the proxies that take connections
 */
export function hasLeft(before: ReadonlySet<string>, now: ReadonlySet<string>): boolean {
  return now.size > 0 && [...before].some((address) => !now.has(address));
}

/**
 * While the proxy is replaced, the old one takes no new connections, and for some seconds keeps those it has; see its `hard-stop-after`.
 * In this time PgBouncer has to leave it, each connection when its transaction has ended: then no statement fails.
 */
export async function watchProxy(
  pgbouncer: Pick<Pgbouncer, "reconnect">,
  { proxy }: Pick<Settings, "proxy">,
  stop: AbortSignal,
): Promise<void> {
  let before: ReadonlySet<string> = new Set();
  while (!stop.aborted) {
    try {
      const addresses = await addressesOf(proxy.host);
      const accepting = await Promise.all(addresses.map(async (address) => ((await accepts(address, proxy.statusPort)) ? [address] : [])));
      const now = new Set(accepting.flat());
      if (hasLeft(before, now)) {
        await pgbouncer.reconnect();
        log("info", "a proxy stops; PgBouncer moves to the other one", { from: [...before], to: [...now] });
      }
      before = now;
    } catch (error) {
      // Tried again at the next look: what was seen before is kept.
      log("warn", "whether a proxy stops could not be seen, or PgBouncer not be moved", { reason: reasonOf(error) });
    }
    await delay(LOOK_MS, undefined, { signal: stop }).catch(() => undefined);
  }
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: ACCEPT_MS });
    const done = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    socket.once("connect", () => done(true));
    socket.once("timeout", () => done(false));
    socket.once("error", () => done(false));
  });
}
