import cluster from "node:cluster";
import type { MetricsSnapshot } from "../observability/metrics-merge";
import type { DrainScope } from "../lifecycle/types";
import type { Relief } from "./memory-monitor";
import type { ClusterStatus, ReloadResult, WorkerMemory } from "./types";

/** Longest wait for the primary's state, milliseconds: a health check must answer even when the primary does not. */
const STATUS_DEADLINE_MS = 1000;

/** Metrics wait for the primary's own deadline of 1 s towards silent workers, and for the answer to come back. */
const METRICS_DEADLINE_MS = 1500;

/** What processes ask the primary, with the type of the answer. */
export interface Answers {
  status(): ClusterStatus | Promise<ClusterStatus>;
  /** Prometheus text of all workers. */
  metrics(): Promise<string>;
  reload(): Promise<ReloadResult>;
}
export type Question = keyof Answers;

/** Every message carries `phased`, so that it never mixes with messages of other libraries on the same channel. */
export type FromWorker =
  | { readonly phased: "ready"; readonly port: number }
  | { readonly phased: "boot-failed"; readonly reason: string }
  | { readonly phased: "pong" }
  | { readonly phased: "memory"; readonly memory: WorkerMemory; /** Taken right after a thorough collection. */ readonly relieved: boolean }
  /** The worker itself was told to end (SIGTERM by an operator): replace it, then drain it. */
  | { readonly phased: "replace-me" }
  | { readonly phased: "metrics"; readonly id: number; readonly snapshot: MetricsSnapshot }
  /** The worker listens no more and has answered everything; with its last metrics. It exits once `released` comes back. */
  | { readonly phased: "leaving"; readonly snapshot: MetricsSnapshot }
  | { readonly phased: "ask"; readonly id: number; readonly question: Question }
  /** See `channel.ts`: for every other process of the instance. */
  | { readonly phased: "broadcast"; readonly topic: string; readonly payload: unknown }
  | { readonly phased: "channel-asks"; readonly asks: readonly Ask[] };

/** A question of `channel.ts`. */
export interface Ask {
  readonly id: number;
  readonly topic: string;
  readonly payload: unknown;
}

export type FromPrimary =
  | { readonly phased: "ping" }
  | { readonly phased: "drain"; readonly scope: DrainScope }
  | { readonly phased: "relieve"; readonly how: Relief }
  /** Answer to `leaving`: every connection handed to the worker was on the channel before this. */
  | { readonly phased: "released" }
  | { readonly phased: "pull-metrics"; readonly id: number }
  | { readonly phased: "answer"; readonly id: number; readonly value?: unknown; readonly error?: string }
  | { readonly phased: "broadcast"; readonly topic: string; readonly payload: unknown }
  | { readonly phased: "channel-answers"; readonly answers: readonly ChannelAnswer[] };

/** Answer to an {@link Ask}. */
export interface ChannelAnswer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Recognises our own messages among whatever else travels on the channel. */
export function isOurs(message: unknown): message is { readonly phased: string } {
  return typeof message === "object" && message !== null && "phased" in message;
}

/** Sends to the primary; resolves once written. A primary that is gone is no error: this process is about to end as well. */
export function sendToPrimary(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected || process.send === undefined) {
      resolve();
      return;
    }
    process.send(message, undefined, undefined, () => resolve());
  });
}

let localAnswers: Answers | undefined;

/** Without a primary this process answers for itself. */
export function answerLocally(answers: Answers | undefined): void {
  localAnswers = answers;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}
const pending = new Map<number, Pending>();
let lastId = 0;

/** Numbers of questions are unique in this process. */
export function nextQuestionId(): number {
  return ++lastId;
}

/** Hands the primary's answer to whoever asked; answers after their deadline are dropped. */
export function settleAnswer(message: Extract<FromPrimary, { phased: "answer" }>): void {
  const asked = pending.get(message.id);
  pending.delete(message.id);
  if (message.error === undefined) asked?.resolve(message.value);
  else asked?.reject(new Error(message.error));
}

async function ask(question: Question, deadlineMs: number | undefined): Promise<unknown> {
  if (!cluster.isWorker) {
    if (localAnswers === undefined) throw new Error("the process manager is not running in this process");
    return localAnswers[question]();
  }
  const id = nextQuestionId();
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject });
      if (deadlineMs !== undefined) {
        timer = setTimeout(() => reject(new Error(`the primary process did not answer within ${deadlineMs} ms`)), deadlineMs);
      }
      void sendToPrimary({ phased: "ask", id, question });
    });
  } finally {
    clearTimeout(timer);
    pending.delete(id);
  }
}

/**
 * State of this instance's processes, answered by the primary.
 * @throws when the primary does not answer within 1 s.
 */
export async function clusterStatus(): Promise<ClusterStatus> {
  return (await ask("status", STATUS_DEADLINE_MS)) as ClusterStatus;
}

/**
 * Rolling reload: every worker is replaced by a new one, one after the other. Requests that come together share one reload.
 * Resolves with the outcome, also when it failed; takes as long as the new workers need to boot and the old ones to drain.
 */
export async function requestReload(): Promise<ReloadResult> {
  return (await ask("reload", undefined)) as ReloadResult;
}

/**
 * Metrics of all workers as Prometheus text.
 * @throws when the primary does not answer within 1.5 s. One worker's own numbers would make every sum go down, so there is no fallback.
 */
export async function clusterMetrics(): Promise<string> {
  return (await ask("metrics", METRICS_DEADLINE_MS)) as string;
}
