import { Readable } from "node:stream";

/**
 * The same stream, which ends with an error when nothing comes for too long although somebody waits for it. A reader who pauses does not
 * count: a client may take its time.
 * @param silenceMs longest wait for a piece.
 */
export function watched(stream: Readable, silenceMs: number): Readable {
  return Readable.from(pieces(stream, silenceMs), { objectMode: false });
}

async function* pieces(stream: Readable, silenceMs: number): AsyncGenerator<Buffer> {
  const iterator = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const timer = setTimeout(() => stream.destroy(new Error(`nothing came for ${silenceMs} ms`)), silenceMs);
      const next = await iterator.next().finally(() => clearTimeout(timer));
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    stream.destroy();
  }
}
