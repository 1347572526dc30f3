import cluster from "node:cluster";
import { type Ask, type ChannelAnswer, type FromPrimary, type FromWorker, nextQuestionId, sendToPrimary } from "./ipc";

/**
 * Messages between the processes of one instance, by topic: to all others at once, or a question to the primary. Works without a
 * primary too: then a broadcast reaches nobody and questions are answered by this process.
 */

/** Answers a topic's questions in the primary; may be asynchronous. `worker` is the asking worker's number, 0 for the process itself. */
export type PrimaryHandler = (payload: unknown, worker: number) => unknown;

/** Unanswered questions of one process; more means that the primary hangs, and waiting longer would only fill the memory. */
const MOST_OPEN_QUESTIONS = 50_000;

type Listener = (payload: unknown) => void;
const listeners = new Map<string, Set<Listener>>();
const handlers = new Map<string, PrimaryHandler>();

/** How the primary reaches its workers; unset in every other process. */
let toWorkers: ((message: FromPrimary, exceptWorker: number) => void) | undefined;

/**
 * Sends to every other process of this instance, the primary included. Best effort: a process that hangs or starts may miss it, so
 * whoever depends on it has to cope with a lost message (expiry, a version to compare). Payloads are structured-cloned.
 */
export function broadcast(topic: string, payload: unknown): void {
  if (cluster.isWorker) void sendToPrimary({ phased: "broadcast", topic, payload });
  else toWorkers?.({ phased: "broadcast", topic, payload }, 0);
}

/** Calls back for every broadcast of other processes. @returns how to stop listening. */
export function onBroadcast(topic: string, listener: Listener): () => void {
  const known = listeners.get(topic) ?? new Set();
  listeners.set(topic, known);
  known.add(listener);
  return () => {
    known.delete(listener);
  };
}

/**
 * Registers who answers {@link askPrimary}. To be called in the primary, or the only process, before workers start.
 * @throws Error when the topic has its handler already.
 */
export function answerInPrimary(topic: string, handler: PrimaryHandler): void {
  if (handlers.has(topic)) throw new Error(`questions about ${topic} are answered already`);
  handlers.set(topic, handler);
}

interface Open {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}
const open = new Map<number, Open>();
/** Questions of this turn of the event loop: they leave in one message, which costs little more than one question. */
let batch: Ask[] = [];

/**
 * Asks the primary, or this process when there is none.
 * @throws Error when the answer does not come within `deadlineMs`, when nobody answers the topic, or with the message of the handler's error.
 */
export async function askPrimary<T>(topic: string, payload: unknown, deadlineMs: number): Promise<T> {
  if (!cluster.isWorker) return (await handlerOf(topic)(payload, 0)) as T;
  if (open.size >= MOST_OPEN_QUESTIONS) throw new Error(`the primary process has ${open.size} questions unanswered`);
  const id = nextQuestionId();
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      open.delete(id);
      reject(new Error(`the primary process did not answer about ${topic} within ${deadlineMs} ms`));
    }, deadlineMs);
    open.set(id, { resolve: resolve as (value: unknown) => void, reject, timer });
    if (batch.push({ id, topic, payload }) === 1) setImmediate(sendBatch);
  });
}

function sendBatch(): void {
  const asks = batch;
  batch = [];
  void sendToPrimary({ phased: "channel-asks", asks });
}

function handlerOf(topic: string): PrimaryHandler {
  const handler = handlers.get(topic);
  if (handler === undefined) throw new Error(`nobody answers questions about ${topic}`);
  return handler;
}

/** In the primary, at boot: how to reach the workers. */
export function connectWorkers(send: (message: FromPrimary, exceptWorker: number) => void): void {
  toWorkers = send;
}

/** In a worker: what the primary sent. */
export function receiveFromPrimary(message: Extract<FromPrimary, { phased: "broadcast" | "channel-answers" }>): void {
  if (message.phased === "broadcast") {
    deliver(message.topic, message.payload);
    return;
  }
  for (const { id, value, error } of message.answers) {
    const asked = open.get(id);
    if (asked === undefined) continue;
    open.delete(id);
    clearTimeout(asked.timer);
    if (error === undefined) asked.resolve(value);
    else asked.reject(new Error(error));
  }
}

/** In the primary: what a worker sent. `reply` sends to that worker; what can be answered at once leaves in one message. */
export function receiveFromWorker(
  message: Extract<FromWorker, { phased: "broadcast" | "channel-asks" }>,
  worker: number,
  reply: (message: FromPrimary) => void,
): void {
  if (message.phased === "broadcast") {
    toWorkers?.(message, worker);
    deliver(message.topic, message.payload);
    return;
  }
  const answers: ChannelAnswer[] = [];
  for (const { id, topic, payload } of message.asks) {
    const failed = (error: unknown): ChannelAnswer => ({ id, error: (error as Error).message });
    try {
      const value = handlerOf(topic)(payload, worker);
      if (!(value instanceof Promise)) answers.push({ id, value });
      else {
        void value.then(
          (later: unknown) => reply({ phased: "channel-answers", answers: [{ id, value: later }] }),
          (error: unknown) => reply({ phased: "channel-answers", answers: [failed(error)] }),
        );
      }
    } catch (error) {
      answers.push(failed(error));
    }
  }
  if (answers.length > 0) reply({ phased: "channel-answers", answers });
}

function deliver(topic: string, payload: unknown): void {
  for (const listener of listeners.get(topic) ?? []) listener(payload);
}
