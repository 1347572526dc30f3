/** How one tenant-owned table is laid out. */
export interface TableDefinition<Row extends object> {
  readonly table: string;
  /** Column that says whose row it is. */
  readonly tenantColumn: string;
  /** Column of every property of a row; nothing else is ever named in SQL. */
  readonly columns: Readonly<Record<keyof Row & string, string>>;
  /** `true`, or counters in it: changes of these invalidate nothing, because nothing that is cached shows them. @default none */
  readonly uncached?: true | readonly string[];
}

/** A company: the tenant. */
export interface CompanyRow {
  readonly id: string;
  readonly name: string;
  readonly plan: string;
  readonly lastOrderNumber: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface UserRow {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  readonly status: "active" | "deactivated";
  readonly passwordHash: string;
  /** 1: an operator of the whole platform; see `session/access.ts`. */
  readonly platformAdmin: 0 | 1;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** `admin` administers the users of their own company; nothing outside of it. */
export type Role = "user" | "admin";

export interface SessionRow {
  readonly id: string;
  readonly userId: string;
  readonly createdAt: string;
  readonly expiresAt: string;
}

export interface OrderRow {
  readonly id: string;
  readonly number: number;
  readonly customerName: string;
  readonly status: OrderStatus;
  readonly totalCents: number;
  readonly currency: string;
  readonly notes: string;
  /** Grows with every change; see `db/versioned.ts`. */
  readonly version: number;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export const ORDER_STATUSES = ["pending", "confirmed", "shipped", "delivered", "cancelled"] as const;
export type OrderStatus = (typeof ORDER_STATUSES)[number];

const times = { createdAt: "created_at", updatedAt: "updated_at" } as const;

export const companies: TableDefinition<CompanyRow> = {
  table: "companies",
  tenantColumn: "id",
  columns: { id: "id", name: "name", plan: "plan", lastOrderNumber: "last_order_number", ...times },
  uncached: ["lastOrderNumber"],
};

export const users: TableDefinition<UserRow> = {
  table: "users",
  tenantColumn: "company_id",
  columns: {
    id: "id",
    email: "email",
    name: "name",
    role: "role",
    status: "status",
    passwordHash: "password_hash",
    platformAdmin: "platform_admin",
    ...times,
  },
};

export const sessions: TableDefinition<SessionRow> = {
  table: "sessions",
  tenantColumn: "company_id",
  columns: { id: "id_hash", userId: "user_id", createdAt: "created_at", expiresAt: "expires_at" },
  uncached: true,
};

export const orders: TableDefinition<OrderRow> = {
  table: "orders",
  tenantColumn: "company_id",
  columns: {
    id: "id",
    number: "number",
    customerName: "customer_name",
    status: "status",
    totalCents: "total_cents",
    currency: "currency",
    notes: "notes",
    version: "version",
    createdBy: "created_by",
    ...times,
  },
};
