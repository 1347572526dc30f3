import type { Member } from "../measure";
import type { Repairs } from "../repairs";
import type { Targets } from "../targets";

/** What an event may use. */
export interface EventContext {
  readonly targets: Targets;
  /** What has to be undone; a fault that is made through {@link Targets} says so by itself. */
  readonly repairs: Repairs;
  /** The cluster as its nodes describe it now. */
  members(): readonly Member[];
  /** Name of the node that is primary now. @throws Error when there is none. */
  primary(): string;
  /** Names of all other nodes. */
  standbys(): string[];
  /** Waits for a condition. @throws Error with `what` when it does not come true in time. */
  until(what: string, condition: () => boolean | Promise<boolean>, withinMs: number): Promise<void>;
  /** Waits until acknowledged writes flow on both ways. */
  flowing(): Promise<void>;
  /** Shows what goes on. */
  readonly say: (text: string) => void;
}

/** What an event has to meet; nothing acknowledged lost and never two primaries hold for all of them. */
export interface Target {
  /** Longest time without an acknowledged write through the app, seconds; the median of the runs has to be below. */
  readonly gapSeconds?: number;
  /** No write and no read fails. */
  readonly noFailures?: true;
}

/** One way to break the stack. */
export interface ChaosEvent {
  /** For `--event`. */
  readonly id: string;
  /** For people. */
  readonly title: string;
  readonly target: Target;
  /** What others reach, or was measured without what this project adds (data-plane.md); @default nothing known */
  readonly anchor?: string;
  /** Names on the network that have to be there, or the event does not apply to the stack. */
  readonly needs?: readonly string[];
  /** Restarts the Docker daemon: with `--daemon` only. */
  readonly isDaemon?: true;
  /** Least time from the fault to its repair, seconds; @default 0: as soon as writes flow */
  readonly holdSeconds?: number;
  /**
   * A primary comes back to the network that has lost its lease without knowing: until it has looked into etcd, which is the first thing it
   * does, it calls itself primary. Commits there are acknowledged by nobody, which the count of lost writes proves; how long it lasts is told.
   */
  readonly returnsUnaware?: true;
  /** Before the clock starts: what has to be there for the fault. Writes flow meanwhile, and what is changed is undone by a repair. */
  prepare?(context: EventContext): Promise<void>;
  /** Breaks something; done when the fault is in place. */
  inject(context: EventContext): Promise<void>;
  /** After the repairs, when everything is redundant again. @throws Error when what the event is about did not happen. */
  verify?(context: EventContext): Promise<void>;
}
