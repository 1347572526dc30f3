import { DRAIN_DELAY_SECONDS, SHUTDOWN_TIMEOUT_SECONDS } from "../components/contract";

/** What the stack is for: it decides relaxations, and nothing else does. */
export type ProfileName = "dev" | "prod";

/** What rules hold resources against, besides each other. */
export interface Profile {
  readonly name: ProfileName;
  /** Seconds after which the app has given up on a request. */
  readonly requestTimeoutSeconds: number;
  /** Seconds that the handler of one queue message may take. */
  readonly handlerSeconds: number;
  /** Seconds an app container takes to leave: it keeps serving, then ends what is in flight. */
  readonly drainSeconds: number;
  /** Seconds for which the app keeps an idle connection open. */
  readonly keepAliveSeconds: number;
}

/** A profile, with the app's own times. */
export function profileOf(name: ProfileName): Profile {
  return {
    name,
    // app/src/server.ts, requestTimeoutMs.
    requestTimeoutSeconds: 60,
    handlerSeconds: 30,
    drainSeconds: DRAIN_DELAY_SECONDS + SHUTDOWN_TIMEOUT_SECONDS,
    // cloud.md, row ALB: the load balancer closes idle connections first.
    keepAliveSeconds: 65,
  };
}
