import { createHash } from "node:crypto";

/** The app's user on every Redis server. */
export const REDIS_APP_USER = "app";

/** Least characters of a password: what is generated has 32. */
const LEAST_PASSWORD_LENGTH = 16;

/**
 * Commands that could wipe, spy on, reconfigure or block a server are not for the app: everything in the categories `admin` and
 * `dangerous`, but for what clients need to introduce themselves, the ready check (INFO), and BullMQ's list of workers.
 */
const APP_COMMANDS = "+@all -@admin -@dangerous +info +client|list";

/**
 * The users of one server, as an ACL file. Passwords are in it as SHA-256 only, so the file gives none away.
 *
 * - `default` is off: nobody can log in as it, and a client that does not say who it is gets nothing. Its rights stay whole, because Redis
 *   replays its append-only file as this user: without them a restart refuses, and so loses, every transaction and script in it.
 * - `app` may use every key and channel, but no dangerous command.
 * - `health` has no secret and may do nothing but PING, for the container's health check, and INFO, for `npm run status`: figures of the
 *   server, no key and no value.
 *
 * @param password of `app`.
 * @throws RangeError when the password is shorter than 16 characters.
 */
export function renderRedisAcl(password: string): string {
  if (password.length < LEAST_PASSWORD_LENGTH) {
    throw new RangeError(
      `the password of Redis has ${password.length} characters; allowed are ${LEAST_PASSWORD_LENGTH} or more (it can be guessed at thousands a second)`,
    );
  }
  const hash = createHash("sha256").update(password).digest("hex");
  return [
    "user default off resetpass ~* &* +@all",
    `user ${REDIS_APP_USER} on #${hash} ~* &* ${APP_COMMANDS}`,
    "user health on nopass resetkeys resetchannels -@all +ping +info",
    "",
  ].join("\n");
}
