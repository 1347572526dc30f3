import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { Duplex } from "node:stream";
import Docker from "dockerode";
import { insideApp } from "../../../toolchain/verify/inside";

/** A container whose commands run on this machine; what it is told to run is kept, as Docker's events and the list of processes show it. */
function localContainer(): { readonly container: Docker.Container; readonly commands: string[][] } {
  const commands: string[][] = [];
  const exec = ({ Cmd: command, AttachStdin: hasInput }: { readonly Cmd: string[]; readonly AttachStdin: boolean }): Promise<unknown> => {
    commands.push(command);
    let child: ChildProcess;
    return Promise.resolve({
      start() {
        child = spawn(process.execPath, command.slice(1), { stdio: [hasInput ? "pipe" : "ignore", "pipe", "pipe"] });
        return Promise.resolve(attached(child));
      },
      inspect: () => Promise.resolve({ ExitCode: child.exitCode }),
    });
  };
  // It splits streams, and opens no connection.
  const { modem } = new Docker({ host: "127.0.0.1", port: 1 });
  return { container: { exec, modem } as unknown as Docker.Container, commands };
}

/** Input and output of a process in one stream, as Docker sends them: each piece with its kind and length in front. */
function attached(child: ChildProcess): Duplex {
  const stream = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => void child.stdin?.write(chunk, done),
  });
  for (const [kind, output] of [child.stdout, child.stderr].entries()) {
    output?.on("data", (chunk: Buffer) => {
      const head = Buffer.alloc(8);
      head.writeUInt8(kind + 1, 0);
      head.writeUInt32BE(chunk.length, 4);
      stream.push(Buffer.concat([head, chunk]));
    });
  }
  child.once("close", () => stream.push(null));
  return stream;
}

describe("B13 what npm run verify runs inside containers of the app", () => {
  const headers = { "x-rate-limit-bypass": "the-admin-token", cookie: "sid=the-session" };

  it("is told its headers over standard input: arguments show neither the admin token nor the session", async () => {
    const { container, commands } = localContainer();
    const seen = await insideApp(container, "return { input, arguments: process.argv.slice(1) };", { headers, hosts: ["192.0.2.1"] });
    assert.deepEqual(seen, { input: { headers, hosts: ["192.0.2.1"] }, arguments: [] });
    assert.equal(commands.length, 1);
    for (const secret of Object.values(headers)) assert.ok(!JSON.stringify(commands).includes(secret), secret);
  });

  it("fails with the script's own error", async () => {
    const { container } = localContainer();
    await assert.rejects(insideApp(container, "throw new Error('no ' + input.what);", { what: "answer" }), /^Error: no answer$/);
  });
});
