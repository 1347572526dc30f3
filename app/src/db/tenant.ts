import type { Database, Queries, SqlValue } from "./database";
import type { TableDefinition } from "./tables";

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

/**
 * Everything one company may see. The only way from a request to tenants' tables: each statement is built here and carries the
 * company's id, so no caller can forget it, and none can name another company's rows.
 */
export class TenantScope {
  readonly #queries: Queries;
  readonly #database: Database;

  constructor(
    database: Database,
    readonly companyId: string,
    queries: Queries = database,
  ) {
    if (companyId === "") throw new Error("A tenant scope needs a company id.");
    this.#database = database;
    this.#queries = queries;
  }

  table<Row extends { readonly id: string }>(definition: TableDefinition<Row>): TenantTable<Row> {
    return new TenantTable(this.#queries, this.companyId, definition);
  }

  /** The same scope inside one write transaction; see {@link Database.transaction}. */
  transaction<Result>(work: (scope: TenantScope) => Promise<Result>): Promise<Result> {
    return this.#database.transaction((transaction) => work(new TenantScope(this.#database, this.companyId, transaction)));
  }
}

/** One table, narrowed to one company. Rows are plain objects with the properties of the table's definition. */
export class TenantTable<Row extends { readonly id: string }> {
  readonly #queries: Queries;
  readonly #companyId: string;
  readonly #definition: TableDefinition<Row>;

  constructor(queries: Queries, companyId: string, definition: TableDefinition<Row>) {
    this.#queries = queries;
    this.#companyId = companyId;
    this.#definition = definition;
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

  /** @throws ConstraintError when the schema refuses the row. */
  async insert(row: Partial<Row>): Promise<void> {
    const entries = this.#entries(row);
    const columns = entries.map(([column]) => column);
    const values = entries.map(([, value]) => value);
    if (!columns.includes(this.#definition.tenantColumn)) {
      columns.push(this.#definition.tenantColumn);
      values.push(this.#companyId);
    } else if (values[columns.indexOf(this.#definition.tenantColumn)] !== this.#companyId) {
      throw new Error(`A row of ${this.#definition.table} can only be inserted by its own company.`);
    }
    const marks = columns.map(() => "?").join(", ");
    await this.#queries.run(`INSERT INTO ${this.#definition.table} (${columns.join(", ")}) VALUES (${marks})`, values);
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
    return (await this.#queries.run(`UPDATE ${this.#definition.table} SET ${assignments} WHERE ${where.sql}`, values)) === 1;
  }

  /** Adds one to a whole-number column and returns the result; within a transaction this hands out numbers without gaps. */
  async increment(id: string, property: keyof Row & string): Promise<number | undefined> {
    const column = this.#column(property);
    const where = this.#where({ id } as Partial<Row>);
    const sql = `UPDATE ${this.#definition.table} SET ${column} = ${column} + 1 WHERE ${where.sql} RETURNING ${column} AS value`;
    return (await this.#queries.get<{ value: number }>(sql, where.values))?.value;
  }

  /** Deletes the rows with exactly these values; how many there were. */
  delete(where: Partial<Row>): Promise<number> {
    if (Object.keys(where).length === 0) throw new Error(`Deleting every row of ${this.#definition.table} is not offered.`);
    const filter = this.#where(where);
    return this.#queries.run(`DELETE FROM ${this.#definition.table} WHERE ${filter.sql}`, filter.values);
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
    return Object.entries<string>(this.#definition.columns)
      .map(([property, column]) => `${column} AS "${property}"`)
      .join(", ");
  }
}
