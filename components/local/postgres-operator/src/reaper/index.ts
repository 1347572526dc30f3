import { setTimeout as delay } from "node:timers/promises";
import { isPaused, readClusterState } from "../cluster-state";
import type { Etcd } from "../etcd";
import { log, reasonOf } from "../log";
import type { Settings } from "../settings";
import type { ReaperStatus } from "../status-types";
import { decide, NO_SUSPICION, type Round, type Suspicion } from "./decide";
import { probe } from "./probe";

/** Pause between the begins of two rounds, ms. */
const ROUND_MS = 500;

/** Not healthy when no round was completed for this long, ms: etcd is away, or this process hangs. */
const STALE_MS = 10_000;

/**
 * Frees the lease of a primary that is certainly dead, so that a standby takes over in a few seconds instead of after Patroni's ttl of 20.
 * If this process dies, the ttl applies: it makes failover faster and is not needed for it.
 */
export class Reaper {
  #suspicion: Suspicion = NO_SUSPICION;
  #completedAt = performance.now();
  #silent = false;
  readonly #counts = { rounds: 0, failedRounds: 0, reaped: 0 };

  constructor(
    private readonly etcd: Etcd,
    private readonly settings: Settings,
  ) {}

  get status(): ReaperStatus {
    return { healthy: performance.now() - this.#completedAt < STALE_MS, ...this.#counts, suspiciousRounds: this.#suspicion.rounds };
  }

  /** Round after round, until told to stop. */
  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const begun = performance.now();
      await this.#round();
      await delay(Math.max(0, ROUND_MS - (performance.now() - begun)), undefined, { signal: stop }).catch(() => undefined);
    }
  }

  async #round(): Promise<void> {
    try {
      const round = await this.#look();
      const { suspicion, reap } = decide(this.#suspicion, round);
      this.#tell(round, suspicion);
      this.#suspicion = suspicion;
      if (reap && round.leader !== undefined) {
        await this.etcd.revoke(round.leader.lease);
        this.#counts.reaped += 1;
        this.#suspicion = NO_SUSPICION;
        log("warn", "took the lease from a dead primary; a standby takes over", {
          leader: round.leader.name,
          standbys: round.syncStandbys,
        });
      }
      this.#counts.rounds += 1;
      this.#completedAt = performance.now();
      if (this.#silent) log("info", "etcd answers again");
      this.#silent = false;
    } catch (error) {
      // Nothing is decided without etcd; Patroni itself needs it as well.
      this.#suspicion = NO_SUSPICION;
      this.#counts.failedRounds += 1;
      if (!this.#silent) log("error", "a round failed", { reason: reasonOf(error) });
      this.#silent = true;
    }
  }

  #tell({ leader, postgres, patroni }: Round, { rounds }: Suspicion): void {
    if (rounds === 1) log("warn", "the primary looks dead", { leader: leader?.name, postgres, patroni });
    else if (rounds === 0 && this.#suspicion.rounds > 0)
      log("info", "it is not certain any more that the primary is dead", { leader: leader?.name, postgres, patroni });
  }

  async #look(): Promise<Round> {
    const { postgres: server, patroni: api, scope } = this.settings;
    const [known, config] = await Promise.all([readClusterState(this.etcd, scope), this.etcd.get(`/service/${scope}/config`)]);
    const state = { ...known, paused: isPaused(config?.value) };
    if (state.leader === undefined) return { ...state, postgres: "timeout", patroni: "timeout", standbysAlive: 0 };
    const [[postgres = "timeout", patroni = "timeout"], standbys] = await Promise.all([
      probe(state.leader.name, [server.port, api.port]),
      Promise.all(state.syncStandbys.map((name) => probe(name, [server.port, api.port]))),
    ]);
    const standbysAlive = standbys.filter((ports) => ports.every((port) => port === "open")).length;
    return { ...state, postgres, patroni, standbysAlive };
  }
}
