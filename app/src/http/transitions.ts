import { HttpProblem } from "./problem";

/**
 * Refuses a change of status that is not in the table; a status may always stay what it is.
 * @param what the thing's name, such as `order`.
 * @throws HttpProblem naming where it may go.
 */
export function requireNext<Status extends string>(
  what: string,
  next: Readonly<Record<Status, readonly Status[]>>,
  from: Status,
  to: Status,
): void {
  if (from === to || next[from].includes(to)) return;
  const allowed = next[from].length === 0 ? `${from}, which is final` : next[from].join(" or ");
  throw new HttpProblem("conflict", `A ${from} ${what} cannot become ${to}.`, { errors: [{ field: "status", value: to, allowed }] });
}
