import { Resolver } from "node:dns/promises";

/** Longest wait for Docker's DNS, ms: less than the pause between two rounds. */
const TIMEOUT_MS = 400;

/** Docker's own DNS is asked, not the system's resolver, which waits for seconds and keeps a thread busy meanwhile. */
const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 1 });

/**
 * Says that there is no such name. A name that Docker does not know it asks the machine's DNS for, whose answer may be anything, also none;
 * with the option `ndots:1` that the container is started with, Docker answers itself, at once, that there are no addresses (ENODATA).
 */
const NO_NAME = new Set(["ENOTFOUND", "ENODATA"]);

/** Addresses of all containers with this name: none when the name is gone. @throws Error when there was no answer in time. */
export async function addressesOf(host: string): Promise<string[]> {
  try {
    return await resolver.resolve4(host);
  } catch (error) {
    if (NO_NAME.has((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}
