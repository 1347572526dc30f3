import { once } from "node:events";
import { hostname } from "node:os";
import { BackupWatch } from "./backups";
import { checkpoint } from "./checkpoint";
import { Etcd } from "./etcd";
import { Lock } from "./lock";
import { log } from "./log";
import { Patroni } from "./patroni";
import { Pgbouncer } from "./pgbouncer";
import { Proxy } from "./proxy";
import { watchProxy } from "./proxy-watch";
import { Reaper } from "./reaper";
import { operatorServer } from "./server";
import type { Settings } from "./settings";
import { Switchover } from "./switchover";

/** Serves until it is told to stop; then it finishes a switchover under way first. */
export async function serve(settings: Settings): Promise<void> {
  const etcd = new Etcd(settings.etcdUrls);
  const [patroni, pgbouncer, proxy] = [new Patroni(settings), new Pgbouncer(settings.pgbouncer), new Proxy(settings)];
  // The container's id, which it keeps when it starts again.
  const lock = new Lock(etcd, `/phased-stack/${settings.scope}/switchover`, hostname());
  const reaper = new Reaper(etcd, settings);
  const switchover = new Switchover({
    ...{ etcd, patroni, pgbouncer, proxy, lock, settings },
    checkpoint: (node) => checkpoint(node, settings),
  });
  const backups = new BackupWatch(etcd, settings);
  const server = operatorServer({ etcd, backups, patroni, pgbouncer, reaper, switchover, settings }, settings);

  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort());
  server.listen(settings.port);
  await once(server, "listening");
  log("info", "watching the primary", { scope: settings.scope, nodes: settings.nodes });
  const work = [reaper.run(stop.signal), switchover.recover(stop.signal), watchProxy(pgbouncer, settings, stop.signal)];
  if (!stop.signal.aborted) await once(stop.signal, "abort");
  server.close();
  await switchover.running;
  await Promise.all(work);
  server.closeAllConnections();
  log("info", "stopped");
}
