import cluster from "node:cluster";
import { randomUUID } from "node:crypto";

/** Handed down from the primary to its workers. */
const VARIABLE = "PHASED_INSTANCE_ID";

// Made when this is loaded for the first time: by a primary before it forks, which is why every process of the program loads it.
if (!cluster.isWorker) process.env[VARIABLE] = randomUUID();

/** Names this instance among all: the same in the primary and all its workers, different after a restart. */
export function instanceId(): string {
  const id = process.env[VARIABLE];
  if (id === undefined) throw new Error("The primary process did not name the instance.");
  return id;
}
