import type { Progress } from "../lib/progress";

/** What a check found. */
export type State =
  /** Satisfied, the official way. */
  | { readonly kind: "ok"; readonly detail: string }
  /** Satisfied by a stand-in for restricted networks; `fix` says how to get the official one. */
  | { readonly kind: "stand-in"; readonly detail: string; readonly fix: string }
  /** Not satisfied; `fix` says what to do. */
  | { readonly kind: "missing"; readonly detail: string; readonly fix: string };

/** What a step gets while it changes the machine. */
export interface Context {
  readonly progress: Progress;
  /** Try the official source again even where a stand-in is installed (`npm run prepare-machine -- --official`). */
  readonly official: boolean;
}

/** One thing a machine needs. */
export interface Step {
  readonly id: string;
  /** Name in progress and tables. */
  readonly title: string;
  /** Looks without changing anything; takes well under a second. */
  check(): Promise<State>;
  /**
   * Brings it about. Only called when the check did not say "ok"; idempotent; may be interrupted at any time and run again.
   * @throws UserError saying what to do by hand
   */
  ensure(context: Context): Promise<void>;
}

/** Phases a stack can be in; decides which plugins and images a machine needs. */
export type Phase = "cluster" | "database" | "cloud";

/** Every phase, in the order of growth. */
export const PHASES: readonly Phase[] = ["cluster", "database", "cloud"];
