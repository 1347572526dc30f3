import assert from "node:assert/strict";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020";
import addFormats from "ajv-formats";
import type { OpenApiDocument } from "../../../app/src/http/openapi/document";
import type { Answer, RequestOptions, TestApp } from "./support";

interface Described {
  readonly operation: string;
  readonly pattern: RegExp;
  readonly method: string;
  readonly path: string;
}

/** Asks an app and compares every answer with its own OpenAPI description. */
export class ConformingClient {
  /** `GET /api/orders 200` and so on: what was answered so far. */
  readonly answered = new Set<string>();
  readonly #operations: readonly Described[];
  readonly #validators = new Map<string, ValidateFunction>();
  readonly #ajv: Ajv2020;

  private constructor(
    private readonly app: TestApp,
    readonly document: OpenApiDocument,
  ) {
    this.#ajv = new Ajv2020({ allErrors: true, strict: false });
    (addFormats as unknown as (ajv: Ajv2020) => void)(this.#ajv);
    this.#ajv.addSchema(document, "document");
    this.#operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => ({
        operation: `${method.toUpperCase()} ${path}`,
        method: method.toUpperCase(),
        path,
        pattern: new RegExp(`^${path.replace(/[.]/g, "\\.").replace(/\{\w+\}/g, "[^/]+")}$`),
      })),
    );
  }

  static async of(app: TestApp): Promise<ConformingClient> {
    const { status, body, text } = await app.request<OpenApiDocument>("GET", "/openapi.json");
    assert.equal(status, 200, text);
    return new ConformingClient(app, body);
  }

  get operations(): string[] {
    return this.#operations.map(({ operation }) => operation);
  }

  async request<Body = Record<string, unknown>>(method: string, where: string, options: RequestOptions = {}): Promise<Answer<Body>> {
    const answer = await this.app.request<Body>(method, where, options);
    this.check(method, where, options, answer);
    return answer;
  }

  check(method: string, where: string, { json }: RequestOptions, answer: Answer<unknown>): void {
    const path = where.split("?", 1)[0] ?? "";
    const candidates = this.#operations.filter((candidate) => candidate.method === method && candidate.pattern.test(path));
    // A fixed path goes before one with parameters, as in the specification.
    const found = candidates.find((candidate) => candidate.path === path) ?? candidates[0];
    assert.ok(found, `${method} ${path} is not described`);
    this.answered.add(`${found.operation} ${answer.status}`);
    const described = this.document.paths[found.path]?.[method.toLowerCase()];
    assert.ok(described);
    const status = String(answer.status);
    const response = described.responses[status] ?? described.responses["default"];
    assert.ok(response && (status in described.responses || answer.status >= 400), `${found.operation} does not describe ${status}`);
    const type = (answer.headers.get("content-type") ?? "").split(";", 1)[0] ?? "";
    if (response.content === undefined) assert.equal(answer.text, "", `${found.operation} ${status} has no body`);
    else if (!Object.hasOwn(response.content, "*/*")) {
      assert.ok(Object.hasOwn(response.content, type), `${found.operation} ${status} answers ${type}`);
      const key = status in described.responses ? status : "default";
      const value = type.includes("json") ? answer.body : answer.text;
      this.#validate(["paths", found.path, method.toLowerCase(), "responses", key, "content", type, "schema"], value);
    }
    for (const name of Object.keys(response.headers ?? {})) assert.ok(answer.headers.get(name), `${found.operation} carries ${name}`);
    if (json !== undefined && answer.status < 300 && described.requestBody !== undefined) {
      this.#validate(["paths", found.path, method.toLowerCase(), "requestBody", "content", "application/json", "schema"], json);
    }
  }

  #validate(where: readonly string[], value: unknown): void {
    const pointer = where.map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))).join("/");
    const validate = this.#validators.get(pointer) ?? this.#ajv.compile({ $ref: `document#/${pointer}` });
    this.#validators.set(pointer, validate);
    assert.ok(
      validate(value),
      `${where.slice(1, 5).join(" ")}: ${this.#ajv.errorsText(validate.errors)}; ${JSON.stringify(value)?.slice(0, 500)}`,
    );
  }
}
