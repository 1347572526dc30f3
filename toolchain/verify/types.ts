import type Docker from "dockerode";
import type { PostgresStatus } from "../../components/local/postgres-operator/src/status-types";
import type { PromisedLimit } from "./evaluate";
import type { HttpClient, Session } from "./http";

/** What a check found. `skip` is for what cannot be tried here, with the reason; it counts neither way. */
export interface Outcome {
  readonly verdict: "pass" | "fail" | "skip";
  /** The figure or finding, short; for `fail` what is wrong, for `skip` why. */
  readonly measured: string;
}

/** One line of `npm run verify`: a number or promise of features.md and how it is tried. */
export interface Check {
  /** Id of the feature, e.g. `C7`. */
  readonly id: string;
  readonly title: string;
  readonly target: string;
  /** Breaks something on purpose; left out with `--no-faults`. */
  readonly fault?: true;
  /** Asks nothing but the app's address and disturbs nobody else, so that it is done in phase `cloud` too. */
  readonly byUrl?: true;
  /** Takes from what others on the stack, or behind the same address, are allowed. */
  readonly greedy?: true;
  /** Phases in which it makes sense. @default all */
  readonly phases?: readonly string[];
  run(context: VerifyContext): Promise<Outcome>;
}

/** A finished check. */
export interface Row extends Outcome {
  readonly id: string;
  readonly title: string;
  readonly target: string;
  readonly seconds: number;
}

/** What the stack's configuration promises; `undefined` where it leaves the default. */
export interface Expected {
  readonly phase: string;
  readonly appInstances: number | undefined;
  /** Worker processes of one instance; `undefined` for `auto`. */
  readonly workers: number | undefined;
  /** In phase `database`. */
  readonly postgresNodes: number | undefined;
  /** Brokers of Kafka; 0 without. */
  readonly brokers: number;
  /** Whether Prometheus watches it. */
  readonly monitoring: boolean;
  /** Whether backups of Postgres are made. */
  readonly backups: boolean;
  /** The load balancer's limit for one client (B1). */
  readonly apiLimit: PromisedLimit;
}

/** The running stack, as the checks see it. */
export interface VerifyContext {
  readonly http: HttpClient;
  readonly expected: Expected;
  /** Empty where the stack has none, or where it would go over a network in the clear. */
  readonly adminToken: string;
  /** Running containers of the app, by name. */
  readonly apps: () => Promise<readonly Docker.Container[]>;
  /** Running containers of a service, or of the whole stack. */
  readonly containers: (service?: string) => Promise<readonly Docker.Container[]>;
  /** What looks after Postgres; fails in a phase without it. */
  readonly operator: () => Promise<Docker.Container>;
  /** What that says of Postgres and PgBouncer now. */
  readonly postgres: () => Promise<PostgresStatus>;
  /** Values of the stack's secret outputs. */
  readonly secrets: readonly string[];
  /** A user of a company made for this run; made at the first call. */
  readonly session: () => Promise<Session>;
}

export const pass = (measured: string): Outcome => ({ verdict: "pass", measured });
export const fail = (measured: string): Outcome => ({ verdict: "fail", measured });
export const skip = (why: string): Outcome => ({ verdict: "skip", measured: why });

/** `pass` without violations, otherwise `fail` with all of them. */
export function verdict(violations: readonly string[], measured: string): Outcome {
  return violations.length === 0 ? pass(measured) : fail(violations.join("; "));
}
