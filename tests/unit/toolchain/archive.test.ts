import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { extract, type Header } from "tar-stream";
import { archiveOf } from "../../../toolchain/lib/archive";

async function entriesOf(archive: Buffer): Promise<{ readonly header: Header; readonly content: string }[]> {
  const entries: { header: Header; content: string }[] = [];
  for await (const entry of Readable.from([archive]).pipe(extract())) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    entries.push({ header: entry.header, content: Buffer.concat(chunks).toString() });
  }
  return entries;
}

describe("archiveOf", () => {
  it("has the directory first, then its files, with one owner and the modes that were asked for", async () => {
    const rights = { directoryMode: 0o700, fileMode: 0o400, owner: 1000 };
    const entries = await entriesOf(await archiveOf("/side", { "/side/a": "of text", "/side/b": Buffer.from("of bytes") }, rights));
    const seen = entries.map(({ header: { name, type, mode, uid, gid }, content }) => [name, type, mode, uid, gid, content]);
    assert.deepEqual(seen, [
      ["side", "directory", 0o700, 1000, 1000, ""],
      ["side/a", "file", 0o400, 1000, 1000, "of text"],
      ["side/b", "file", 0o400, 1000, 1000, "of bytes"],
    ]);
  });

  it("can be read by everybody and changed by root alone, unless something else is said", async () => {
    const entries = await entriesOf(await archiveOf("/side", { "/side/a": "" }));
    assert.deepEqual(
      entries.map(({ header: { mode, uid } }) => [mode, uid]),
      [
        [0o755, 0],
        [0o444, 0],
      ],
    );
  });

  it("refuses a file of another directory", async () => {
    await assert.rejects(archiveOf("/side", { "/etc/passwd": "" }), /\/etc\/passwd is not in \/side/);
  });
});
