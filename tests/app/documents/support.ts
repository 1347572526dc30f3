import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { type Answer, assertProblem, type Problem, TestApp } from "../http/support";

/** A document as the API shows it. */
export interface DocumentView {
  readonly id: string;
  readonly name: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly status: string;
  readonly textStatus: string;
  readonly pages: number | null;
  readonly width: number | null;
  readonly height: number | null;
}

/** Answer to an upload. */
export interface Added {
  readonly document: DocumentView;
  readonly jobs: string[];
}

export const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

export const filesBelow = (directory: string): string[] =>
  existsSync(directory)
    ? readdirSync(directory, { recursive: true, withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []))
    : [];

type SendOptions = Omit<RequestInit, "headers"> & { readonly headers?: Record<string, string>; readonly as?: string };

/** An app with one company that has documents. */
export class DocumentsApp {
  private constructor(
    readonly app: TestApp,
    readonly token: string,
    readonly companyId: string,
  ) {}

  static async start(environment: Readonly<Record<string, string>> = {}): Promise<DocumentsApp> {
    const app = await TestApp.start(environment);
    const { token, companyId } = await app.signUp();
    return new DocumentsApp(app, token, companyId);
  }

  /** Where contents are. */
  get root(): string {
    return path.join(this.app.directory, "documents");
  }

  /** The file with the content of a document. */
  fileOf(document: DocumentView): string {
    return path.join(this.root, this.companyId, document.sha256.slice(0, 2), document.sha256);
  }

  /** @param options.as token of somebody else. */
  async send<Body>(method: string, where: string, options: SendOptions = {}): Promise<Answer<Body>> {
    const answer = await fetch(`${this.app.url}${where}`, {
      method,
      ...options,
      headers: { Authorization: `Bearer ${options.as ?? this.token}`, ...options.headers },
    });
    const text = await answer.text();
    const isJson = answer.headers.get("content-type")?.includes("json") ?? false;
    return { status: answer.status, headers: answer.headers, text, body: (isJson && text !== "" ? JSON.parse(text) : undefined) as Body };
  }

  upload(name: string, content: Buffer, as = this.token): Promise<Answer<Added>> {
    const form = new FormData();
    form.set("file", new Blob([new Uint8Array(content)]), name);
    return this.send<Added>("POST", "/api/documents", { body: form, as });
  }

  async uploaded(name: string, content: Buffer): Promise<DocumentView> {
    return (await this.added(name, content)).document;
  }

  /** The same with the ids of its jobs. */
  async added(name: string, content: Buffer): Promise<Added> {
    const answer = await this.upload(name, content);
    assert.equal(answer.status, 201, answer.text);
    return answer.body;
  }

  async read(id: string): Promise<DocumentView> {
    return (await this.send<DocumentView>("GET", `/api/documents/${id}`)).body;
  }

  async usage(): Promise<{ documents: number; bytes: number }> {
    return (await this.send<{ used: { documents: number; bytes: number } }>("GET", "/api/documents/usage")).body.used;
  }

  remove(): Promise<void> {
    return this.app.remove();
  }
}

/** Asserts that it is refused with a problem document. */
export async function refused(status: number, answer: Promise<Answer<unknown>>): Promise<Problem> {
  const { body, ...rest } = await answer;
  assert.equal(rest.status, status, rest.text);
  assertProblem({ ...rest, body: body as Problem }, status);
  return body as Problem;
}
