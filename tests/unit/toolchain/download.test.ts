import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import path from "node:path";
import { UserError } from "../../../toolchain/lib/errors";
import { exec } from "../../../toolchain/lib/exec";
import { ROOT } from "../../../toolchain/lib/paths";
import { Unavailable, downloadRelease } from "../../../toolchain/machine/official";
import { inDirectory, recorder, script, withEnv } from "./support";

const ARCHIVE = "pulumi-v9.9.9-linux-x64.tar.gz";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A download site of its own on 127.0.0.1, and an empty cache directory. */
async function site(answer: Answer, test: (url: string, cache: string, tunnels: readonly string[]) => Promise<void>): Promise<void> {
  const tunnels: string[] = [];
  await inDirectory(async (cache) => {
    const server = createServer(answer);
    // As a proxy it is asked for a tunnel, and plays the far end of it itself.
    server.on("connect", (request: IncomingMessage, socket: Socket) => {
      tunnels.push(`CONNECT ${request.url ?? ""}`);
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      server.emit("connection", socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      await withEnv(
        { PHASED_STACK_CACHE: cache, HTTP_PROXY: undefined, http_proxy: undefined, HTTPS_PROXY: undefined, https_proxy: undefined },
        () => test(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, cache, tunnels),
      );
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
}

/** A release archive with these executables under pulumi/. */
async function archive(names: readonly string[]): Promise<Buffer> {
  let content = Buffer.alloc(0);
  await inDirectory((directory) => {
    mkdirSync(path.join(directory, "pulumi"));
    for (const name of names) script(path.join(directory, "pulumi", name), `echo ${name}`);
    spawnSync("tar", ["-czf", path.join(directory, "a.tgz"), "-C", directory, "pulumi"]);
    content = readFileSync(path.join(directory, "a.tgz"));
  });
  return content;
}

function serve(files: Readonly<Record<string, Buffer | string>>): Answer {
  return (request, response) => {
    const file = files[(request.url ?? "").slice(1)];
    response.statusCode = file === undefined ? 404 : 200;
    response.end(file);
  };
}

const release = (url: string): { archive: string; url: string; checksums: string } => ({
  archive: ARCHIVE,
  url: `${url}/${ARCHIVE}`,
  checksums: `${url}/sums.txt`,
});
const sums = (content: Buffer): string => `${createHash("sha256").update(content).digest("hex")}  ${ARCHIVE}\n`;

describe("the official download", () => {
  it("is unpacked when its checksum is the published one", async () => {
    const content = await archive(["pulumi", "pulumi-language-nodejs"]);
    await site(serve({ [ARCHIVE]: content, "sums.txt": sums(content) }), async (url) => {
      const progress = recorder();
      const directory = await downloadRelease(release(url), progress);
      assert.deepEqual(readdirSync(directory).sort(), ["pulumi", "pulumi-language-nodejs"]);
      assert.deepEqual(progress.lines, [], "nothing to warn of");
    });
  });

  it("is refused when it is not what was published, and nothing of it stays", async () => {
    const content = await archive(["pulumi"]);
    await site(serve({ [ARCHIVE]: content, "sums.txt": sums(Buffer.from("other")) }), async (url, cache) => {
      await assert.rejects(downloadRelease(release(url), recorder()), (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, /is damaged or was tampered with: its SHA-256 is [0-9a-f]{64}, published is [0-9a-f]{64}$/);
        return true;
      });
      assert.deepEqual(readdirSync(cache), []);
    });
  });

  it("says so where there are no checksums to compare with", async () => {
    const content = await archive(["pulumi"]);
    for (const files of [{ [ARCHIVE]: content }, { [ARCHIVE]: content, "sums.txt": "nothing of use" }]) {
      await site(serve(files), async (url) => {
        const progress = recorder();
        await downloadRelease(release(url), progress);
        assert.match(progress.lines.join(), /going by the transport's own protection/);
      });
    }
  });

  it("counts as unavailable when refused, not reachable or not published for this platform", async () => {
    await site(serve({}), async (url, cache) => {
      await assert.rejects(downloadRelease(release(url), recorder()), new Unavailable("HTTP status 404"));
      assert.deepEqual(readdirSync(cache), []);
    });
    await inDirectory((cache) =>
      withEnv({ PHASED_STACK_CACHE: cache }, async () => {
        await assert.rejects(downloadRelease(release("http://127.0.0.1:1"), recorder()), (error) => error instanceof Unavailable);
        await assert.rejects(downloadRelease(undefined, recorder()), (error) => error instanceof Unavailable);
      }),
    );
  });

  it("an archive without the CLI is told", async () => {
    const content = await archive(["something-else"]);
    await site(serve({ [ARCHIVE]: content, "sums.txt": sums(content) }), async (url) => {
      await assert.rejects(downloadRelease(release(url), recorder()), /holds no pulumi executable/);
    });
  });

  it("a site that takes the connection and never answers is given up after 5 s", async () => {
    const started = performance.now();
    await site(
      () => undefined,
      async (url) => {
        await assert.rejects(
          downloadRelease(release(url), recorder()),
          (error) => error instanceof Unavailable && /no answer within 5 s/.test(error.message),
        );
      },
    );
    assert.ok(performance.now() - started < 9_000);
  }).timeout(15_000);

  it("a transfer that breaks off is not taken for whole", async () => {
    const cut: Answer = (_request, response) => {
      response.setHeader("content-length", "1000000");
      response.write("only this");
      setTimeout(() => response.destroy(), 50);
    };
    await site(cut, async (url, cache) => {
      await assert.rejects(
        downloadRelease(release(url), recorder()),
        (error) => error instanceof Unavailable && /broke off/.test(error.message),
      );
      assert.deepEqual(readdirSync(cache), []);
    });
  });

  it("goes through the user's proxy", async () => {
    const asked: string[] = [];
    const origin: Answer = (request, response) => {
      asked.push(request.url ?? "");
      response.end("content");
    };
    await site(origin, async (url, cache, tunnels) => {
      const target = path.join(cache, "file");
      const fetch = path.join(ROOT, "toolchain", "machine", "fetch.mjs");
      await exec(process.execPath, ["--use-env-proxy", fetch, "http://downloads.invalid/x", target], {
        timeoutMs: 20_000,
        env: { ...process.env, HTTP_PROXY: url, http_proxy: url, NO_PROXY: "", no_proxy: "" },
      });
      assert.deepEqual(tunnels, ["CONNECT downloads.invalid:80"]);
      assert.equal(readFileSync(target, "utf8"), "content");
    });
    assert.deepEqual(asked, ["/x"]);
  });
});
