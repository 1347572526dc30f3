/**
 * The contract between the process manager (`cluster/`, `lifecycle/`) and the worker that serves requests (`worker.ts`).
 * The manager knows nothing about HTTP; the worker knows nothing about processes.
 */

/**
 * Why a worker is asked to drain.
 * - `instance`: the whole process tree ends. Readiness (`GET /ready`) must fail from now on, so that load balancers leave.
 * - `worker`: only this worker ends, others of the same port already took over. Readiness must stay 200: a load balancer that
 *   happens to reach the draining worker over a kept-alive connection would otherwise take out a healthy instance.
 *
 * In both cases every response from now on carries `Connection: close`.
 */
export type DrainScope = "instance" | "worker";

/** What a worker is told about the process it lives in. */
export interface WorkerLifecycle {
  /** Number of this worker, unique during the life of the primary; 1 in single-process mode. */
  readonly workerId: number;
  /** `true` under the cluster manager, `false` when this process is all there is (C2: development, or `WORKERS=1`). */
  readonly clustered: boolean;
}

/** A worker that accepts connections. */
export interface RunningWorker {
  /** TCP port it really listens on (differs from the configuration only when that says 0). */
  readonly port: number;
  /** From now on every response ends its connection; see {@link DrainScope} for readiness. New connections are still served. */
  beginDrain(scope: DrainScope): void;
  /**
   * Stops listening, waits for requests in flight, then closes pools and files. Resolves also when the deadline cut requests off.
   * @param deadlineMs longest wait for requests in flight, in milliseconds.
   */
  close(deadlineMs: number): Promise<void>;
  /** Drops what can be rebuilt (caches), so that a following garbage collection finds memory to free (feature A3). */
  cleanupMemory(): Promise<void>;
}

/** Starts serving; resolves once connections are accepted. Exported by `worker.ts`, and by the fixtures of the fault tests. */
export type StartWorker<Config> = (config: Config, lifecycle: WorkerLifecycle) => Promise<RunningWorker>;
