import type { Queries, SqlValue } from "./database";
import type { TableDefinition } from "./tables";
import type { Group, GroupQuery, PageQuery } from "./tenant-queries";

/** Runs a statement that changes rows of a table, and sees to it that whoever observes changes hears of it. */
export type Write = <Result>(table: string, work: (queries: Queries) => Promise<Result>) => Promise<Result>;

/** Most rows of one `findAll` or `insertAll`; each is one parameter or more, and databases bound their number. */
const MOST_IDS = 100;

/** What is selected of each table; the text of every read begins with it. */
const selections = new WeakMap<object, string>();

/** One table, narrowed to one company. Rows are plain objects with the properties of the table's definition. */
export class TenantTable<Row extends { readonly id: string }> {
  readonly #queries: Queries;
  readonly #companyId: string;
  readonly #definition: TableDefinition<Row>;
  readonly #write: Write;

  constructor(queries: Queries, companyId: string, definition: TableDefinition<Row>, write: Write) {
    this.#queries = queries;
    this.#companyId = companyId;
    this.#definition = definition;
    this.#write = write;
  }

  find(id: string): Promise<Row | undefined> {
    const where = this.#where({ id } as Partial<Row>);
    return this.#queries.get<Row>(`SELECT ${this.#selection()} FROM ${this.#definition.table} WHERE ${where.sql}`, where.values);
  }

  page(query: PageQuery<Row>): Promise<Row[]> {
    const { sql, values } = this.pageStatement(query);
    return this.#queries.all<Row>(sql, values);
  }

  /** The statement behind {@link page}; its own method so that a test can look at the query plan of exactly what runs. */
  pageStatement(query: PageQuery<Row>): { readonly sql: string; readonly values: SqlValue[] } {
    const { sort, descending, limit, offset = 0, after } = query;
    const where = this.#where(query.where ?? {});
    const sortColumn = this.#column(sort);
    const idColumn = this.#column("id");
    const direction = descending ? "DESC" : "ASC";
    const values = [...where.values];
    let sql = `SELECT ${this.#selection()} FROM ${this.#definition.table} WHERE ${where.sql}`;
    if (after !== undefined) {
      // A row value, so that one range of the index answers it.
      sql += ` AND (${sortColumn}, ${idColumn}) ${descending ? "<" : ">"} (?, ?)`;
      values.push(after.value, after.id);
    }
    sql += ` ORDER BY ${sortColumn} ${direction}, ${idColumn} ${direction} LIMIT ? OFFSET ?`;
    values.push(limit, offset);
    return { sql, values };
  }

  /** Number of rows, counted no further than `cap`, so that a count never walks a whole large table. */
  async count(where: Partial<Row>, cap: number): Promise<number> {
    const { sql, values } = this.countStatement(where, cap);
    return (await this.#queries.get<{ count: number }>(sql, values))?.count ?? 0;
  }

  countStatement(where: Partial<Row>, cap: number): { readonly sql: string; readonly values: SqlValue[] } {
    const filter = this.#where(where);
    return {
      sql: `SELECT count(*) AS count FROM (SELECT 1 FROM ${this.#definition.table} WHERE ${filter.sql} LIMIT ?) AS counted`,
      values: [...filter.values, cap],
    };
  }

  /** The rows with these ids, in no particular order; at most {@link MOST_IDS} ids in one statement. */
  async findAll(ids: readonly string[]): Promise<Row[]> {
    if (ids.length > MOST_IDS) throw new Error(`At most ${MOST_IDS} rows of ${this.#definition.table} are looked up at once.`);
    if (ids.length === 0) return [];
    const where = this.#where({});
    const marks = ids.map(() => "?").join(", ");
    const sql = `SELECT ${this.#selection()} FROM ${this.#definition.table} WHERE ${where.sql} AND ${this.#column("id")} IN (${marks})`;
    return this.#queries.all<Row>(sql, [...where.values, ...ids]);
  }

  /** Rows counted and summed by group, in one statement over at most `cap` rows. */
  groups<By extends keyof Row & string>(query: GroupQuery<Row, By>): Promise<Group<Row, By>[]> {
    const { sql, values } = this.groupStatement(query);
    return this.#queries.all<Group<Row, By>>(sql, values);
  }

  groupStatement({ by, sum, since, cap }: GroupQuery<Row>): { readonly sql: string; readonly values: SqlValue[] } {
    const where = this.#where({});
    const groupColumns = by.map((property) => this.#column(property));
    const sumColumn = sum === undefined ? undefined : this.#column(sum);
    const sinceColumn = this.#column(since.property);
    const inner = [...new Set([...groupColumns, ...(sumColumn === undefined ? [] : [sumColumn])])].join(", ");
    const shown = by.map((property, index) => `${groupColumns[index] ?? ""} AS "${property}"`).join(", ");
    // Postgres' sum of BIGINT is NUMERIC; the cast makes it the whole number that it is.
    const total = sumColumn === undefined ? "0" : `CAST(sum(${sumColumn}) AS BIGINT)`;
    const sql =
      `SELECT ${shown}, count(*) AS "count", ${total} AS "sum" FROM (` +
      `SELECT ${inner} FROM ${this.#definition.table} WHERE ${where.sql} AND ${sinceColumn} >= ? ORDER BY ${sinceColumn} DESC LIMIT ?` +
      `) AS looked_at GROUP BY ${groupColumns.join(", ")}`;
    return { sql, values: [...where.values, since.value, cap] };
  }

  /** @throws ConstraintError when the schema refuses the row. */
  insert(row: Partial<Row>): Promise<void> {
    return this.insertAll([row]);
  }

  /**
   * Inserts rows that have the same properties, in one statement.
   * @throws ConstraintError when the schema refuses one of them; then none is inserted.
   */
  async insertAll(rows: readonly Partial<Row>[]): Promise<void> {
    if (rows.length === 0) return;
    if (rows.length > MOST_IDS) throw new Error(`At most ${MOST_IDS} rows of ${this.#definition.table} are inserted at once.`);
    const prepared = rows.map((row) => this.#owned(this.#entries(row)));
    const columns = prepared[0]?.map(([column]) => column) ?? [];
    for (const entries of prepared) {
      if (entries.length !== columns.length || entries.some(([column], index) => column !== columns[index])) {
        throw new Error(`Rows of ${this.#definition.table} that are inserted together have the same properties in the same order.`);
      }
    }
    const marks = `(${columns.map(() => "?").join(", ")})`;
    const sql = `INSERT INTO ${this.#definition.table} (${columns.join(", ")}) VALUES ${prepared.map(() => marks).join(", ")}`;
    const values = prepared.flatMap((entries) => entries.map(([, value]) => value));
    await this.#change((queries) => queries.run(sql, values));
  }

  /** The columns of a row with the company's own id. */
  #owned(entries: [column: string, value: SqlValue][]): [column: string, value: SqlValue][] {
    const given = entries.find(([column]) => column === this.#definition.tenantColumn);
    if (given === undefined) return [...entries, [this.#definition.tenantColumn, this.#companyId]];
    if (given[1] !== this.#companyId) throw new Error(`A row of ${this.#definition.table} can only be inserted by its own company.`);
    return entries;
  }

  /**
   * Changes one row. With `expected`, only if it still has those values: how two people editing the same row are told apart.
   * @returns `false` when the company has no such row.
   */
  async update(id: string, changes: Partial<Row>, expected: Partial<Row> = {}): Promise<boolean> {
    const entries = this.#entries(changes);
    if (entries.some(([column]) => column === this.#definition.tenantColumn || column === this.#column("id"))) {
      throw new Error(`The id and the company of a row of ${this.#definition.table} never change.`);
    }
    const assignments = entries.map(([column]) => `${column} = ?`).join(", ");
    const where = this.#where({ ...expected, id });
    const values = [...entries.map(([, value]) => value), ...where.values];
    const sql = `UPDATE ${this.#definition.table} SET ${assignments} WHERE ${where.sql}`;
    return (await this.#change((queries) => queries.run(sql, values))) === 1;
  }

  /** Adds one to a whole-number column and returns the result; within a transaction this hands out numbers without gaps. */
  async increment(id: string, property: keyof Row & string): Promise<number | undefined> {
    const column = this.#column(property);
    const where = this.#where({ id } as Partial<Row>);
    const sql = `UPDATE ${this.#definition.table} SET ${column} = ${column} + 1 WHERE ${where.sql} RETURNING ${column} AS value`;
    return (await this.#change((queries) => queries.get<{ value: number }>(sql, where.values), property))?.value;
  }

  /**
   * Adds one to a counter of the company as long as it is below `most`; a counter that does not exist yet is 0. One statement, so
   * however many ask at the same time, no more than `most` get a number. For tables whose key is company and id.
   * @returns the counter's new value, `undefined` when it is at `most` already.
   */
  async incrementBelow(id: string, property: keyof Row & string, most: number): Promise<number | undefined> {
    if (most < 1) return undefined;
    const { table, tenantColumn } = this.#definition;
    const [column, idColumn] = [this.#column(property), this.#column("id")];
    const sql =
      `INSERT INTO ${table} (${tenantColumn}, ${idColumn}, ${column}) VALUES (?, ?, 1) ` +
      `ON CONFLICT (${tenantColumn}, ${idColumn}) DO UPDATE SET ${column} = ${table}.${column} + 1 WHERE ${table}.${column} < ? ` +
      `RETURNING ${column} AS value`;
    return (await this.#change((queries) => queries.get<{ value: number }>(sql, [this.#companyId, id, most]), property))?.value;
  }

  /** Takes `by` off a counter, which never goes below 0. */
  async decrement(id: string, property: keyof Row & string, by = 1): Promise<void> {
    const column = this.#column(property);
    const where = this.#where({ id } as Partial<Row>);
    const sql = `UPDATE ${this.#definition.table} SET ${column} = CASE WHEN ${column} > ? THEN ${column} - ? ELSE 0 END WHERE ${where.sql}`;
    await this.#change((queries) => queries.run(sql, [by, by, ...where.values]), property);
  }

  /** Deletes the rows with exactly these values; how many there were. */
  delete(where: Partial<Row>): Promise<number> {
    if (Object.keys(where).length === 0) throw new Error(`Deleting every row of ${this.#definition.table} is not offered.`);
    const filter = this.#where(where);
    return this.#change((queries) => queries.run(`DELETE FROM ${this.#definition.table} WHERE ${filter.sql}`, filter.values));
  }

  #change<Result>(work: (queries: Queries) => Promise<Result>, property?: keyof Row & string): Promise<Result> {
    const { table, uncached } = this.#definition;
    const silent = uncached === true || (Array.isArray(uncached) && property !== undefined && uncached.includes(property));
    return silent ? work(this.#queries) : this.#write(table, work);
  }

  #where(properties: Partial<Row>): { sql: string; values: SqlValue[] } {
    const entries = this.#entries(properties);
    return {
      sql: [`${this.#definition.tenantColumn} = ?`, ...entries.map(([column]) => `${column} = ?`)].join(" AND "),
      values: [this.#companyId, ...entries.map(([, value]) => value)],
    };
  }

  #entries(properties: Partial<Row>): [column: string, value: SqlValue][] {
    return Object.entries(properties as Record<string, SqlValue | undefined>).flatMap(([property, value]) =>
      value === undefined ? [] : [[this.#column(property as keyof Row & string), value]],
    );
  }

  #column(property: keyof Row & string): string {
    const column = Object.hasOwn(this.#definition.columns, property) ? this.#definition.columns[property] : undefined;
    if (column === undefined) throw new Error(`Table ${this.#definition.table} has no property "${property}".`);
    return column;
  }

  #selection(): string {
    const known = selections.get(this.#definition);
    if (known !== undefined) return known;
    const selection = Object.entries<string>(this.#definition.columns)
      .map(([property, column]) => `${column} AS "${property}"`)
      .join(", ");
    selections.set(this.#definition, selection);
    return selection;
  }
}
