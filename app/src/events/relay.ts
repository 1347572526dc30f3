import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "../db/database";
import type { Logger } from "../observability/logger";
import { Lease } from "./lease";
import { outboxEvents, publishedTotal, publishFailuresTotal } from "./metrics";

/** Sends events of one company in order; resolves when Kafka has acknowledged all of them. */
export interface EventPublisher {
  send(records: readonly OutboxRecord[]): Promise<void>;
  close(): Promise<void>;
}

/** An event on its way: key is the company, so that its events stay in one partition and in order. */
export interface OutboxRecord {
  readonly key: string;
  readonly value: string;
}

export interface RelayOptions {
  readonly database: Database;
  readonly logger: Logger;
  /** Names this process among all of all instances. */
  readonly owner: string;
  /** Called again after a failure; may take as long as it needs. */
  readonly connect: () => Promise<EventPublisher>;
  /** Longest time without a look at the outbox, milliseconds. @default 1000 */
  readonly pollMs?: number;
  /** @default 15000 */
  readonly leaseMs?: number;
  /** Told how many events wait, whenever it looked. @default the gauge of the outbox */
  readonly waiting?: (events: number) => void;
}

const defaults = {
  pollMs: 1000,
  leaseMs: 15_000,
  /** Feature B5: a batch is sent when it has 16 KB, or 10 ms after its first event. */
  batchBytes: 16 * 1024,
  lingerMs: 10,
  /** Feature B5: batches under way at the same time, each of other companies. */
  inFlight: 5,
  /** Events read at once; also the most that are published again when the relay dies at the worst moment. */
  rows: 500,
  /** Pause after a failure: first and longest, milliseconds. */
  retryFirstMs: 100,
  retryMostMs: 2000,
  /** A batch may take so long with all its repetitions (ms); below that what is left of the lease does not suffice. */
  leaseMarginMs: 7500,
  countCap: 100_000,
  countEveryMs: 1000,
  /**
   * Closing waits so long for batches under way (ms), then ends their connection: what is not acknowledged stays in the outbox. And so long for
   * what that needs of the database, which may be away: a statement to it may take longer than the process has.
   */
  closeMs: 3000,
  deleteChunk: 50,
} as const;

interface Row {
  readonly position: number;
  readonly id: string;
  readonly companyId: string;
  readonly number: number;
  readonly type: string;
  readonly payload: string;
  readonly occurredAt: string;
}

const PENDING = `SELECT position AS "position", id AS "id", company_id AS "companyId", number AS "number", type AS "type",
    payload AS "payload", occurred_at AS "occurredAt" FROM event_outbox ORDER BY position LIMIT ?`;
const COUNT = `SELECT count(*) AS "count" FROM (SELECT 1 FROM event_outbox LIMIT ?) AS counted`;
// One statement whatever the number of rows, so that it is prepared once.
const DELETE = `DELETE FROM event_outbox WHERE position IN (${Array.from({ length: defaults.deleteChunk }, () => "?").join(", ")})`;

/**
 * Carries events from the outbox to Kafka: one process at a time, each company's in their order, at least once. An event leaves the
 * outbox only after Kafka acknowledged it; when the relay dies in between, it is published again, and consumers know it by its id.
 */
export class OutboxRelay {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #lease: Lease;
  readonly #connect: () => Promise<EventPublisher>;
  readonly #pollMs: number;
  readonly #waiting: (events: number) => void;
  readonly #stop = new AbortController();
  #publisher: EventPublisher | undefined;
  #wake: (() => void) | undefined;
  #kicked = false;
  #countedAt = -Infinity;
  #askAgainAt = -Infinity;
  #failures = 0;
  #running: Promise<void> | undefined;

  constructor(options: RelayOptions) {
    this.#database = options.database;
    this.#logger = options.logger;
    this.#connect = options.connect;
    this.#pollMs = options.pollMs ?? defaults.pollMs;
    this.#waiting = options.waiting ?? ((events) => outboxEvents.set(events));
    this.#lease = new Lease(options.database, "event-relay", options.owner, options.leaseMs ?? defaults.leaseMs);
  }

  /** `false` after a failure, until a batch has been acknowledged again. */
  get healthy(): boolean {
    return this.#failures === 0;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** There may be something in the outbox. */
  kick(): void {
    this.#kicked = true;
    this.#wake?.();
  }

  /** Finishes the batches under way, then lets another process take over at once. Takes 6 s at most, also when the database does not answer. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    await atMost(this.#running);
    await atMost(this.#leave());
  }

  async #leave(): Promise<void> {
    await this.#disconnect();
    await this.#running;
    // One that was still connecting.
    await this.#disconnect();
    // The database may be gone by now; then the lease ends by itself.
    await this.#lease
      .release()
      .catch((error: unknown) => this.#logger.debug({ reason: String(error) }, "the lease of the relay was not given back"));
  }

  async #disconnect(): Promise<void> {
    const publisher = this.#publisher;
    this.#publisher = undefined;
    await publisher?.close().catch((reason: unknown) => this.#logger.debug({ reason: String(reason) }, "closing the producer failed"));
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      let more = false;
      try {
        more = await this.#cycle();
        if (this.#failures > 0) this.#logger.info("events are published again");
        this.#failures = 0;
      } catch (error) {
        await this.#failed(error);
      }
      if (!more) await this.#idle();
    }
  }

  /** One look at the outbox. @returns whether there may be more. */
  async #cycle(): Promise<boolean> {
    this.#kicked = false;
    const held = this.#lease.leftMs > 0;
    if (!held && performance.now() < this.#askAgainAt) return false;
    let rows = await this.#database.all<Row>(PENDING, [defaults.rows]);
    await this.#observe(rows.length);
    if (rows.length === 0) return false;
    if (!(await this.#holdLease())) {
      // Another process publishes. Without a pause every process would read the outbox, and ask for the lease, for every event of its own:
      // which is most while Kafka is away and the outbox long.
      this.#askAgainAt = performance.now() + this.#pollMs;
      return false;
    }
    // What was read before may have been published by the one who had the lease until now.
    if (!held) rows = await this.#database.all<Row>(PENDING, [defaults.rows]);
    if (this.#stop.signal.aborted) return false;
    const publisher = (this.#publisher ??= await this.#connected());
    const lanes = lanesOf(rows, defaults.inFlight);
    const outcomes = await Promise.all(lanes.map((lane) => this.#sendLane(publisher, lane)));
    await this.#remove(outcomes.flatMap(({ sent }) => sent));
    const failed = outcomes.find(({ error }) => error !== undefined);
    if (failed !== undefined) throw failed.error;
    return rows.length === defaults.rows;
  }

  /** After a failure the connection is a fresh one: when nobody is there at all, this is where it ends from then on. */
  async #connected(): Promise<EventPublisher> {
    try {
      return await this.#connect();
    } catch (error) {
      publishFailuresTotal.inc();
      throw error;
    }
  }

  /** A long outbox is counted at most once a second: counting it costs as much as sending a part of it. */
  async #observe(read: number): Promise<void> {
    if (read < defaults.rows) this.#waiting(read);
    else if (performance.now() - this.#countedAt > defaults.countEveryMs) {
      this.#countedAt = performance.now();
      this.#waiting((await this.#database.get<{ count: number }>(COUNT, [defaults.countCap]))?.count ?? 0);
    }
  }

  async #holdLease(): Promise<boolean> {
    return this.#lease.leftMs > defaults.leaseMarginMs || this.#lease.acquire();
  }

  /** Sends one batch after the other; stops at the first that fails, because what follows must not overtake it. */
  async #sendLane(publisher: EventPublisher, rows: readonly Row[]): Promise<{ sent: number[]; error?: unknown }> {
    const sent: number[] = [];
    try {
      for (const batch of batchesOf(rows, defaults.batchBytes)) {
        if (!(await this.#holdLease())) return { sent };
        await publisher.send(batch.map(({ companyId, value }) => ({ key: companyId, value })));
        publishedTotal.inc(batch.length);
        sent.push(...batch.map(({ position }) => position));
      }
      return { sent };
    } catch (error) {
      publishFailuresTotal.inc();
      return { sent, error };
    }
  }

  async #remove(positions: readonly number[]): Promise<void> {
    for (let from = 0; from < positions.length; from += defaults.deleteChunk) {
      const chunk = positions.slice(from, from + defaults.deleteChunk);
      const last = chunk.at(-1) ?? 0;
      await this.#database.run(DELETE, [...chunk, ...Array.from({ length: defaults.deleteChunk - chunk.length }, () => last)]);
    }
  }

  /** Starts again with a fresh connection after a pause that grows. Said once: brokers may be away for hours. */
  async #failed(error: unknown): Promise<void> {
    this.#failures += 1;
    const [level, message] =
      this.#failures === 1
        ? (["warn", "events cannot be published; they wait in the outbox"] as const)
        : (["debug", "events cannot be published yet"] as const);
    this.#logger[level]({ reason: String(error) }, message);
    await this.#disconnect();
    const pause = Math.min(defaults.retryMostMs, defaults.retryFirstMs * 2 ** Math.min(10, this.#failures - 1));
    await delay(pause * (0.5 + Math.random() / 2), undefined, { signal: this.#stop.signal }).catch(() => undefined);
    this.#kicked = true;
  }

  /** Until something is written here, or the time is up: other processes do not say when they write. */
  async #idle(): Promise<void> {
    if (!this.#kicked && !this.#stop.signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#pollMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    if (this.#kicked && !this.#stop.signal.aborted) await delay(defaults.lingerMs);
  }
}

/** What takes longer goes on, and ends with the process. */
async function atMost(work: Promise<void> | undefined): Promise<void> {
  await Promise.race([work, delay(defaults.closeMs, undefined, { ref: false })]);
}

/** Distributes rows so that all of one company are in one lane, in their order. Empty lanes are left out. */
export function lanesOf<T extends { readonly companyId: string }>(rows: readonly T[], count: number): T[][] {
  const lanes = Array.from({ length: count }, (): T[] => []);
  for (const row of rows) {
    let hash = 0;
    for (let index = 0; index < row.companyId.length; index += 1) hash = (hash * 31 + row.companyId.charCodeAt(index)) >>> 0;
    lanes[hash % count]?.push(row);
  }
  return lanes.filter((lane) => lane.length > 0);
}

/** Cuts rows into batches of at most so many bytes; a larger row is a batch of its own. */
export function batchesOf(rows: readonly Row[], mostBytes: number): (Row & { readonly value: string })[][] {
  const batches: (Row & { readonly value: string })[][] = [];
  let bytes = Infinity;
  for (const row of rows) {
    const { id, companyId, number, type, occurredAt } = row;
    const head = JSON.stringify({ id, companyId, number, type, occurredAt });
    // The payload is JSON already.
    const value = `${head.slice(0, -1)},"payload":${row.payload}}`;
    const size = Buffer.byteLength(value) + companyId.length;
    if (bytes + size > mostBytes) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push({ ...row, value });
    bytes += size;
  }
  return batches;
}
