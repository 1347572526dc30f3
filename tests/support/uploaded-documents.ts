import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import type { StackClient } from "./stack-client";

/** Bytes of one: more than fit into one read of a stream. */
const SIZE = 150_000;

/** Documents that one company has uploaded to its stack, and what was in them. */
export class UploadedDocuments {
  /** SHA-256 of what was sent, by the document's id. */
  private readonly digests = new Map<string, string>();

  /** @param headers of every request */
  constructor(
    private readonly client: StackClient,
    private readonly headers: Readonly<Record<string, string>>,
  ) {}

  /** Uploads another one, a text that nobody else has. */
  async upload(): Promise<void> {
    const content = Buffer.from(`Prüfstück ${randomBytes(SIZE / 2).toString("hex")}\n`);
    const name = `note-${this.digests.size + 1}.txt`;
    const answer = await this.client.ask("POST", `/api/documents?name=${name}`, { content, headers: this.headers });
    assert.equal(answer.status, 201, answer.text);
    this.digests.set((answer.body["document"] as { readonly id: string }).id, sha256(content));
  }

  /** @throws AssertionError unless each of them can be read, with the very bytes that were sent. */
  async assertAllThere(): Promise<void> {
    assert.ok(this.digests.size > 0, "nothing was uploaded");
    for (const [id, digest] of this.digests) {
      const { status, text, bytes } = await this.client.ask("GET", `/api/documents/${id}/content`, { headers: this.headers });
      assert.equal(status, 200, `document ${id}: ${text.slice(0, 300)}`);
      assert.equal(sha256(bytes), digest, `document ${id} is another one`);
    }
  }
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}
