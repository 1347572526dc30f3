import { connect, type Socket } from "node:net";

/** A probe that takes longer is given up, ms; by then everything is refused anyway. */
const LONGEST_MS = 10_000;

/**
 * Measures how long new connections wait before this process takes them. Node accepts one connection a turn of its event loop, so while
 * turns are full of work, clients queue up in the kernel and the loop itself is never late. The probe is a client of our own: it
 * connects, asks for `/ready` and takes the time. Only used while the process is busy; one probe at a time.
 */
export class AcceptProbe {
  #startedAt: number | undefined;
  #socket: Socket | undefined;
  #overtakers = 0;

  constructor(
    private readonly port: number,
    private readonly host: string,
  ) {}

  /** A request came in while the probe waits. */
  overtaken(): void {
    this.#overtakers += 1;
  }

  /** How long the probe on its way has been waiting, ms; 0 when there is none, or fewer than `crowd` requests came in before it. */
  waitingMs(now: number, crowd: number): number {
    return this.#startedAt === undefined || this.#overtakers < crowd ? 0 : now - this.#startedAt;
  }

  /** Sends a probe, if none is on its way. */
  send(now: number): void {
    if (this.#startedAt !== undefined) return;
    this.#startedAt = now;
    this.#overtakers = 0;
    const socket = connect({ port: this.port, host: this.host });
    this.#socket = socket;
    socket.setTimeout(LONGEST_MS, () => socket.destroy());
    socket.unref();
    socket.once("data", () => socket.destroy());
    // A refused or reset connection says nothing about waiting; the next look sends another probe.
    socket.on("error", () => socket.destroy());
    socket.once("close", () => (this.#startedAt = undefined));
    socket.end("GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  }

  stop(): void {
    this.#socket?.destroy();
  }
}
