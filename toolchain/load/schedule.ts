import { UserError } from "../lib/errors";
import type { Operation, Profile, Stage } from "./profiles";

/** Most requests of a run, and longest run in seconds: whatever a profile says, a load ends. */
export const BOUNDS = { requests: 500_000, seconds: 3600 } as const;

/** A stage with its place in time, in milliseconds from the beginning. */
export interface PlannedStage {
  readonly name: string;
  readonly measured: boolean;
  readonly fromMs: number;
  readonly toMs: number;
  /** Requests that are due in it. */
  readonly requests: number;
}

/** Everything that will be sent, and when: fixed before the first request, whatever becomes of it. */
export interface Plan {
  readonly stages: readonly PlannedStage[];
  /** Milliseconds from the beginning at which the n-th request is due, ascending. */
  readonly due: Float64Array;
  /** Which user sends it, from 0. */
  readonly user: Uint32Array;
  /** What it is, as an index of {@link operations}. */
  readonly operation: Uint8Array;
  readonly operations: readonly Operation[];
  /** Users that send something. */
  readonly users: number;
  /** Length of all stages. */
  readonly seconds: number;
}

interface Arrival {
  readonly due: number;
  readonly user: number;
}

/**
 * Lays a profile out in time. The same profile gives the same plan.
 * @param seconds length to shorten (or stretch) the profile to, all its stages alike; @default its own
 * @throws UserError when that is more than {@link BOUNDS} allow.
 */
export function planOf(profile: Profile, seconds?: number): Plan {
  const own = profile.stages.reduce((sum, stage) => sum + stage.seconds, 0);
  const scale = seconds === undefined ? 1 : seconds / own;
  if (own * scale > BOUNDS.seconds) {
    throw new UserError(`profile ${profile.name} would take ${own * scale} s; a load takes ${BOUNDS.seconds} s at most`);
  }
  const random = generator(seedOf(profile.name));
  const stages: PlannedStage[] = [];
  const arrivals: Arrival[] = [];
  const company = chooser(profile, random);
  let fromMs = 0;
  for (const stage of profile.stages) {
    const toMs = fromMs + stage.seconds * scale * 1000;
    const before = arrivals.length;
    for (const arrival of arrivalsOf(stage, { fromMs, toMs }, company, random)) {
      if (arrivals.length >= BOUNDS.requests) throw tooMuch(profile, own * scale);
      arrivals.push(arrival);
    }
    stages.push({ name: stage.name, measured: stage.measured, fromMs, toMs, requests: arrivals.length - before });
    fromMs = toMs;
  }
  arrivals.sort((one, other) => one.due - other.due);
  const operations = Object.keys(profile.mix) as Operation[];
  const shares = operations.map((operation) => profile.mix[operation] ?? 0);
  return {
    stages,
    due: Float64Array.from(arrivals, ({ due }) => due),
    user: Uint32Array.from(arrivals, ({ user }) => user),
    operation: Uint8Array.from(arrivals, () => pick(shares, random())),
    operations,
    users: arrivals.reduce((most, { user }) => Math.max(most, user + 1), 0),
    seconds: fromMs / 1000,
  };
}

function tooMuch({ name }: Profile, seconds: number): UserError {
  return new UserError(
    `profile ${name} would send more than ${BOUNDS.requests} requests in ${seconds} s; a load sends that many at most`,
    "Give it less time with --seconds",
  );
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

function* arrivalsOf(stage: Stage, { fromMs, toMs }: Span, company: () => number, random: () => number): Generator<Arrival> {
  if ("perSecond" in stage) {
    const count = Math.round(((toMs - fromMs) / 1000) * stage.perSecond);
    for (let n = 0; n < count; n += 1) yield { due: fromMs + (n * 1000) / stage.perSecond, user: company() };
    return;
  }
  const [least, most] = stage.think.map((seconds) => seconds * 1000) as [number, number];
  for (let user = 0; user < stage.users; user += 1) {
    // Somewhere within a pause: nobody begins all at the same moment.
    let due = fromMs + random() * ((least + most) / 2);
    for (; due < toMs; due += least + random() * (most - least)) yield { due, user };
  }
}

/** Chooses companies as busy as the profile has them: the first most, the n-th `1 ÷ n^skew` of that. */
function chooser({ companies, skew = 0 }: Profile, random: () => number): () => number {
  const upTo = new Float64Array(companies);
  let sum = 0;
  for (let index = 0; index < companies; index += 1) upTo[index] = sum += 1 / (index + 1) ** skew;
  return () => {
    const at = random() * sum;
    let [low, high] = [0, companies - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] ?? 0) > at) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** The index of the share that a number from 0 to 1 falls into. */
function pick(shares: readonly number[], at: number): number {
  let sum = 0;
  for (const [index, share] of shares.entries()) {
    sum += share;
    if (at < sum) return index;
  }
  return shares.length - 1;
}

/** Index of the stage that a moment belongs to; the last one from its beginning on. */
export function stageAt(stages: readonly PlannedStage[], ms: number): number {
  const next = stages.findIndex(({ toMs }) => ms < toMs);
  return next === -1 ? stages.length - 1 : next;
}

/** Requests of one operation for each user. */
export function countOf(plan: Plan, operation: Operation): Uint32Array {
  const counts = new Uint32Array(plan.users);
  const index = plan.operations.indexOf(operation);
  for (const [n, user] of plan.user.entries()) if (plan.operation[n] === index) counts[user] = (counts[user] ?? 0) + 1;
  return counts;
}

function seedOf(text: string): number {
  // FNV-1a.
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return hash >>> 0;
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
