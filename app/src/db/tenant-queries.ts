import type { SqlValue } from "./database";

/** Which rows of a tenant, in which order. */
export interface PageQuery<Row> {
  /** Properties that must have exactly these values. */
  readonly where?: Partial<Row>;
  /** Sorted by this property, and by id where it is equal. */
  readonly sort: keyof Row & string;
  readonly descending: boolean;
  /** Most rows to return. */
  readonly limit: number;
  /** Rows to skip; for offset pagination. */
  readonly offset?: number;
  /** Only rows after this one in the given order; for cursor pagination. */
  readonly after?: { readonly value: SqlValue; readonly id: string };
}

/** How rows are counted and summed by group. */
export interface GroupQuery<Row, By extends keyof Row & string = keyof Row & string> {
  /** Rows with equal values of these properties are one group. */
  readonly by: readonly By[];
  /** Whole-number property that is summed for each group. */
  readonly sum?: keyof Row & string;
  /** Only rows whose value of this property is not below; the newest are taken first. */
  readonly since: { readonly property: keyof Row & string; readonly value: SqlValue };
  /** Most rows that are looked at, so that a sum never walks a whole large table. */
  readonly cap: number;
}

/** One group: the properties it was made by, and what is in it. */
export type Group<Row, By extends keyof Row> = Pick<Row, By> & { readonly count: number; readonly sum: number };
