import { STATUS_CODES } from "node:http";

/** One field of a request that is not as it has to be. */
export interface FieldError {
  /** Path of the field, e.g. `totalCents`; a query or path parameter by its name. */
  readonly field: string;
  /** What was sent, shortened; absent when nothing was sent, and for secrets. */
  readonly value?: string;
  /** What would have been accepted, in words. */
  readonly allowed: string;
}

/** Members of a problem document beside the standard ones. */
export interface ProblemOptions {
  readonly errors?: readonly FieldError[];
  /** Response headers, such as `Retry-After`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Members of this kind of problem alone (RFC 9457, section 3.2), such as the `limit` of a quota. */
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/** Refusals the API knows; each is the last part of the problem's `type`. */
export type ProblemKind =
  | "validation"
  | "malformed-json"
  | "unsupported-media-type"
  | "body-too-large"
  | "bad-request"
  | "authentication-required"
  | "invalid-credentials"
  | "forbidden"
  | "not-found"
  | "method-not-allowed"
  | "conflict"
  | "precondition-failed"
  | "misdirected"
  | "idempotency-key-reused"
  | "quota-exceeded"
  | "rate-limited"
  | "unavailable"
  | "internal";

const STATUS: Readonly<Record<ProblemKind, number>> = {
  validation: 400,
  "malformed-json": 400,
  "unsupported-media-type": 415,
  "body-too-large": 413,
  "bad-request": 400,
  "authentication-required": 401,
  "invalid-credentials": 401,
  forbidden: 403,
  "not-found": 404,
  "method-not-allowed": 405,
  conflict: 409,
  "precondition-failed": 412,
  misdirected: 421,
  "idempotency-key-reused": 422,
  "quota-exceeded": 402,
  "rate-limited": 429,
  unavailable: 503,
  internal: 500,
};

/** An answer other than success, thrown anywhere below a route. `detail` is one sentence that is safe to show to the client. */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly status: number;
  readonly errors: readonly FieldError[];
  readonly headers: Readonly<Record<string, string>>;
  readonly extensions: Readonly<Record<string, unknown>>;

  constructor(
    readonly kind: ProblemKind,
    readonly detail: string,
    options: ProblemOptions = {},
  ) {
    super(detail);
    this.status = STATUS[kind];
    this.errors = options.errors ?? [];
    this.headers = options.headers ?? {};
    this.extensions = options.extensions ?? {};
  }
}

/** The problem document (RFC 9457) of a refusal. */
export function problemDocument(problem: HttpProblem, instance: string, requestId: string): Record<string, unknown> {
  return {
    type: `urn:phased-stack:problem:${problem.kind}`,
    title: STATUS_CODES[problem.status] ?? "Error",
    status: problem.status,
    detail: problem.detail,
    instance,
    requestId,
    ...(problem.errors.length > 0 && { errors: problem.errors }),
    ...problem.extensions,
  };
}

/** An `Idempotency-Key` that was given to something else. @param allowed which key is, in words */
export function keyReused(allowed: string): HttpProblem {
  return new HttpProblem("idempotency-key-reused", "This Idempotency-Key was used for another request; give each request its own.", {
    errors: [{ field: "Idempotency-Key", allowed }],
  });
}
