import type { QuotaResource } from "../billing/plans";
import type { FilingStatus } from "../tax/schedule";
import type { TableDefinition } from "./tables";

/** What a company has used of its plan; the id is the resource's name. */
export interface QuotaUsageRow {
  readonly id: QuotaResource;
  readonly used: number;
}

export const PATIENT_STATUSES = ["active", "archived"] as const;

export interface PatientRow {
  readonly id: string;
  readonly givenName: string;
  readonly familyName: string;
  /** YYYY-MM-DD */
  readonly birthDate: string;
  readonly email: string | null;
  readonly phone: string | null;
  readonly status: (typeof PATIENT_STATUSES)[number];
  readonly notes: string;
  readonly version: number;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export const PRODUCT_CATEGORIES = ["frame", "lens", "contact-lens", "accessory", "service"] as const;

export interface ProductRow {
  readonly id: string;
  readonly sku: string;
  readonly name: string;
  readonly category: (typeof PRODUCT_CATEGORIES)[number];
  readonly priceCents: number;
  readonly currency: string;
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface OrderItemRow {
  readonly id: string;
  readonly orderId: string;
  readonly position: number;
  readonly productId: string;
  readonly name: string;
  readonly unitPriceCents: number;
  readonly quantity: number;
}

export const EXAM_KINDS = ["refraction", "tonometry", "fundus", "contact-lens-fitting"] as const;
export const EXAM_STATUSES = ["scheduled", "completed", "cancelled"] as const;
export type ExamStatus = (typeof EXAM_STATUSES)[number];

export interface ExamRow {
  readonly id: string;
  readonly patientId: string;
  readonly kind: (typeof EXAM_KINDS)[number];
  readonly status: ExamStatus;
  readonly scheduledAt: string;
  readonly findings: string;
  readonly version: number;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface TaxComputationRow {
  readonly id: string;
  readonly taxYear: number;
  readonly filingStatus: FilingStatus;
  readonly grossIncomeCents: number;
  readonly adjustmentsCents: number;
  readonly deductionKind: "standard" | "itemized";
  readonly deductionCents: number;
  readonly taxableIncomeCents: number;
  readonly taxCents: number;
  readonly marginalRateBp: number;
  readonly effectiveRateBp: number;
  /** JSON of what fell into each bracket. */
  readonly brackets: string;
  readonly createdBy: string;
  readonly createdAt: string;
}

export const FILING_STATES = ["draft", "submitted", "accepted", "rejected", "withdrawn"] as const;
export type FilingState = (typeof FILING_STATES)[number];

export interface FilingRow {
  readonly id: string;
  readonly taxpayerName: string;
  readonly taxYear: number;
  /** YYYY-MM-DD */
  readonly dueOn: string;
  readonly computationId: string | null;
  readonly status: FilingState;
  readonly version: number;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface FilingTransitionRow {
  readonly id: string;
  readonly filingId: string;
  readonly from: FilingState;
  readonly to: FilingState;
  readonly note: string;
  readonly createdBy: string;
  readonly createdAt: string;
}

export interface ConversationRow {
  readonly id: string;
  readonly userId: string;
  readonly title: string;
  readonly messageCount: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export const MESSAGE_STATUSES = ["complete", "cancelled", "failed"] as const;

export interface MessageRow {
  readonly id: string;
  readonly conversationId: string;
  readonly position: number;
  readonly role: "user" | "assistant";
  readonly status: (typeof MESSAGE_STATUSES)[number];
  readonly content: string;
  readonly createdAt: string;
}

const tenantColumn = "company_id";
const creation = { createdBy: "created_by", createdAt: "created_at" } as const;
const times = { createdAt: "created_at", updatedAt: "updated_at" } as const;
const versioned = { version: "version", createdBy: "created_by", ...times } as const;

export const quotaUsage: TableDefinition<QuotaUsageRow> = {
  table: "quota_usage",
  tenantColumn,
  columns: { id: "resource", used: "used" },
};

export const patients: TableDefinition<PatientRow> = {
  table: "patients",
  tenantColumn,
  columns: {
    id: "id",
    givenName: "given_name",
    familyName: "family_name",
    birthDate: "birth_date",
    email: "email",
    phone: "phone",
    status: "status",
    notes: "notes",
    ...versioned,
  },
};

export const products: TableDefinition<ProductRow> = {
  table: "products",
  tenantColumn,
  columns: {
    id: "id",
    sku: "sku",
    name: "name",
    category: "category",
    priceCents: "price_cents",
    currency: "currency",
    version: "version",
    ...times,
  },
};

export const orderItems: TableDefinition<OrderItemRow> = {
  table: "order_items",
  tenantColumn,
  columns: {
    id: "id",
    orderId: "order_id",
    position: "position",
    productId: "product_id",
    name: "name",
    unitPriceCents: "unit_price_cents",
    quantity: "quantity",
  },
};

export const exams: TableDefinition<ExamRow> = {
  table: "exams",
  tenantColumn,
  columns: {
    id: "id",
    patientId: "patient_id",
    kind: "kind",
    status: "status",
    scheduledAt: "scheduled_at",
    findings: "findings",
    ...versioned,
  },
};

export const taxComputations: TableDefinition<TaxComputationRow> = {
  table: "tax_computations",
  tenantColumn,
  columns: {
    id: "id",
    taxYear: "tax_year",
    filingStatus: "filing_status",
    grossIncomeCents: "gross_income_cents",
    adjustmentsCents: "adjustments_cents",
    deductionKind: "deduction_kind",
    deductionCents: "deduction_cents",
    taxableIncomeCents: "taxable_income_cents",
    taxCents: "tax_cents",
    marginalRateBp: "marginal_rate_bp",
    effectiveRateBp: "effective_rate_bp",
    brackets: "brackets",
    ...creation,
  },
};

export const filings: TableDefinition<FilingRow> = {
  table: "filings",
  tenantColumn,
  columns: {
    id: "id",
    taxpayerName: "taxpayer_name",
    taxYear: "tax_year",
    dueOn: "due_on",
    computationId: "computation_id",
    status: "status",
    ...versioned,
  },
};

export const filingTransitions: TableDefinition<FilingTransitionRow> = {
  table: "filing_transitions",
  tenantColumn,
  columns: { id: "id", filingId: "filing_id", from: "from_status", to: "to_status", note: "note", ...creation },
};

export const conversations: TableDefinition<ConversationRow> = {
  table: "chat_conversations",
  tenantColumn,
  columns: { id: "id", userId: "user_id", title: "title", messageCount: "message_count", ...times },
  uncached: true,
};

export const messages: TableDefinition<MessageRow> = {
  table: "chat_messages",
  tenantColumn,
  columns: {
    id: "id",
    conversationId: "conversation_id",
    position: "position",
    role: "role",
    status: "status",
    content: "content",
    createdAt: "created_at",
  },
  // Chat is never cached (feature B6).
  uncached: true,
};
