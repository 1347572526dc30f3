import { createInterface } from "node:readline/promises";
import { InterruptedError, UserError } from "./errors";
import { interrupted } from "./interrupt";
import { colours } from "./table";

/** What is asked before something that cannot be taken back. */
export interface Question {
  /** Name of the stack, which has to be typed. */
  readonly name: string;
  /** What is lost; a sentence with a blank after it, or empty. */
  readonly warning: string;
  /** What typing the name does, e.g. `delete it`. */
  readonly deed: string;
  /** Said when there is no terminal to ask on, e.g. `npm run down cannot ask before it deletes stack dev`. */
  readonly cannotAsk: string;
  /** What did not happen then, e.g. `nothing was deleted`. */
  readonly nothing: string;
}

/** Asks on the terminal. @throws UserError when there is none, or when something else was typed. */
export async function confirmByName({ name, warning, deed, cannotAsk, nothing }: Question): Promise<void> {
  if (!(process.stdin.isTTY && process.stdout.isTTY)) {
    throw new UserError(`${cannotAsk}: there is no terminal; ${nothing}`, "Add --yes");
  }
  const reader = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await reader.question(`\n${colours.yellow(warning)}Type the name of the stack (${name}) to ${deed}: `, {
      signal: interrupted,
    });
    if (answer.trim() !== name) throw new UserError(`${JSON.stringify(answer.trim())} is not ${name}; ${nothing}`);
  } catch (error) {
    // While readline holds the terminal, Ctrl-C is a key and no signal.
    if (interrupted.aborted || (error as Error).name === "AbortError") {
      console.log();
      throw new InterruptedError(nothing);
    }
    throw error;
  } finally {
    reader.close();
  }
}
