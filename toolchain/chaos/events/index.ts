import { UserError } from "../../lib/errors";
import { walDiskFull } from "./full-disk";
import { MACHINE_EVENTS } from "./machine";
import { POSTGRES_EVENTS } from "./postgres";
import { SERVICE_EVENTS } from "./services";
import type { ChaosEvent } from "./types";

export type { ChaosEvent, EventContext, Target } from "./types";

/** All events, in the order in which they run and stand in the table. */
export const EVENTS: readonly ChaosEvent[] = [...POSTGRES_EVENTS, walDiskFull, ...SERVICE_EVENTS, ...MACHINE_EVENTS];

/**
 * The events to run.
 * @param ids from the command line; @default all that do not need `--daemon`, or all with it
 * @throws UserError naming ids that do not exist, and events that need `--daemon`.
 */
export function selectEvents(ids: readonly string[], daemon: boolean): readonly ChaosEvent[] {
  const unknown = ids.filter((id) => !EVENTS.some((event) => event.id === id));
  if (unknown.length > 0) {
    throw new UserError(`--event: ${unknown.join(", ")} is no event; allowed: ${EVENTS.map(({ id }) => id).join(", ")}`);
  }
  const chosen =
    ids.length === 0 ? EVENTS.filter(({ isDaemon }) => daemon || isDaemon !== true) : EVENTS.filter(({ id }) => ids.includes(id));
  const refused = chosen.filter(({ isDaemon }) => isDaemon === true && !daemon);
  if (refused.length > 0) {
    throw new UserError(
      `--event ${refused.map(({ id }) => id).join(", ")} stops every container on this machine's Docker`,
      "If nothing else runs there, add --daemon",
    );
  }
  return chosen;
}
