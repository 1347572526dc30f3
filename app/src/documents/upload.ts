import { Transform, type TransformCallback } from "node:stream";
import { HttpProblem } from "../http/problem";
import { type MediaType, MEDIA_TYPES, SNIFF_BYTES, sniffMediaType, TextCheck } from "./media-type";

/** Lets an upload through as long as it is of a kind that is taken and not too large; ends it at the first byte that is wrong. */
export class UploadGate extends Transform {
  /** Of the content; known at the end at the latest. */
  mediaType: MediaType | undefined;
  private head: Buffer | undefined = Buffer.alloc(0);
  private sizeBytes = 0;
  private readonly text = new TextCheck();

  /** @param most bytes */
  constructor(private readonly most: number) {
    super();
  }

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.sizeBytes += piece.length;
    if (this.sizeBytes > this.most) {
      done(new HttpProblem("body-too-large", `A document may have at most ${this.most} bytes.`));
      return;
    }
    if (this.head === undefined) {
      this.pass(piece, false, done);
      return;
    }
    this.head = Buffer.concat([this.head, piece]);
    if (this.head.length < SNIFF_BYTES) done();
    else this.decide(false, done);
  }

  override _flush(done: TransformCallback): void {
    if (this.head !== undefined) this.decide(true, done);
    else this.pass(Buffer.alloc(0), true, done);
  }

  private decide(last: boolean, done: TransformCallback): void {
    const head = this.head ?? Buffer.alloc(0);
    this.head = undefined;
    if (head.length === 0) {
      done(new HttpProblem("validation", "The document is empty.", { errors: [{ field: "file", allowed: "at least one byte" }] }));
      return;
    }
    this.mediaType = sniffMediaType(head);
    if (this.mediaType === undefined) done(notTaken());
    else this.pass(head, last, done);
  }

  private pass(piece: Buffer, last: boolean, done: TransformCallback): void {
    if (this.mediaType === "text/plain" && !this.text.accepts(piece, last)) done(notTaken());
    else done(null, piece);
  }
}

/** The refusal of content that is of no kind that is taken. */
export function notTaken(): HttpProblem {
  return new HttpProblem("unsupported-media-type", `The content is none of the kinds that are taken: ${MEDIA_TYPES.join(", ")}.`);
}
