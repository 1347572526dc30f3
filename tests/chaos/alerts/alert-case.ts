import type { AlertStack } from "./alert-stack";

/** An alert that is waited for: the rule it comes from (`ruleKey`), and labels it has. */
export interface Expected {
  readonly rule: string;
  readonly labels?: Readonly<Record<string, string | RegExp>>;
}

/** Takes a fault back; resolves once what was stopped runs again. */
export type Undo = () => Promise<unknown>;

/** A fault, and every alert that tells of it. */
export interface AlertCase {
  readonly title: string;
  readonly fires: readonly Expected[];
  /** Those that do not tell of it: none fires at the moment when all others have. @default none */
  readonly without?: readonly Expected[];
  readonly fault: (stack: AlertStack) => Promise<Undo>;
  /** Done again and again until all alerts fire: what users or servers do meanwhile, without which nobody would notice the fault. */
  readonly meanwhile?: (stack: AlertStack) => Promise<unknown>;
}

/** Takes several back, the last one first; the first error is told after all of them. */
export async function undoAll(undos: readonly Undo[]): Promise<void> {
  const errors: unknown[] = [];
  for (const undo of [...undos].reverse()) await undo().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}
