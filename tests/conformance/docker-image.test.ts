import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { builtAnew } from "../../components/local/image/built-anew";
import type { Properties } from "../../toolchain/standins/shared/values";
import { BASE, DockerSuite, IMAGE, PREFIX, docker, title, unique } from "./docker-support";
import { PluginError, underTest } from "./harness";

/** What the official plugin 5.2.0 computes for the context of these cases: names, modes and contents, nothing else. */
const OFFICIAL_DIGEST = "5712b419a649b0270428609e384d213c7b1e9d1d9d62e771c52f3e266cc633e3";

describe(title("docker.Image"), function () {
  this.timeout(60_000);
  const suite = new DockerSuite();
  let context: string;

  const files: Readonly<Record<string, string>> = {
    Dockerfile: "FROM scratch\nCOPY . /c\n",
    "a.txt": "a",
    "sub/b.txt": "b",
    "sub/deep/c.log": "c",
    "sub/keep.log": "k",
    "B.md": "x",
    "node_modules/x/i.js": "1",
    ".dockerignore": "# c\nnode_modules\n**/*.log\n!sub/keep.log\n*.md\n/sub/deep\n",
  };

  beforeEach(async () => {
    context = await mkdtemp(path.join(tmpdir(), `${PREFIX}-`));
    for (const [name, content] of Object.entries(files)) await write(name, content);
    await chmod(path.join(context, "a.txt"), 0o755);
    // Dangling links are Docker's business; this one leads to a file that counts.
    await symlink("sub/b.txt", path.join(context, "link"));
  });
  afterEach(() => rm(context, { recursive: true }));

  async function write(name: string, content: string): Promise<void> {
    const file = path.join(context, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
    await chmod(file, 0o644);
  }

  const inputs = (imageName: string): Properties => ({ imageName, skipPush: true, build: { context } });
  async function digest(): Promise<unknown> {
    return ((await suite.plugin.checked(IMAGE, inputs("x:1")))["build"] as Properties)["contextDigest"];
  }

  it("the context's digest is the official one", async () => {
    await rm(path.join(context, "link"));
    // A link is hashed by its target's full path: only without one do contexts at different places compare.
    assert.equal(await digest(), OFFICIAL_DIGEST);
  });

  it("the digest follows content, mode and names, and nothing that .dockerignore names", async () => {
    const first = await digest();
    await write("B.md", "changed");
    await write("sub/deep/new.txt", "new");
    await write("node_modules/x/i.js", "2");
    assert.equal(await digest(), first, "ignored files");
    await write("sub/keep.log", "changed");
    const second = await digest();
    assert.notEqual(second, first, "a file that comes back by !");
    await chmod(path.join(context, "sub/b.txt"), 0o700);
    const third = await digest();
    assert.notEqual(third, second, "a mode");
    await write("Dockerfile", "FROM scratch\nCOPY a.txt /\n");
    assert.notEqual(await digest(), third, "the Dockerfile");
  });

  it("builds what .dockerignore leaves, with arguments and target, and says which image it is", async () => {
    await write(
      "Dockerfile",
      `FROM ${BASE} AS first\nARG WHO=nobody\nCOPY . /c\nRUN echo $WHO > /who\nFROM first AS second\nLABEL two=2\n`,
    );
    const name = `${unique()}:1`;
    const image = { ...inputs(name), build: { context, args: { WHO: "me" }, target: "first", network: "none" } };
    const state = await suite.plugin.create(IMAGE, image);
    const info = await docker.getImage(name).inspect();
    const { baseImageName, imageName, repoDigest, dockerfile } = state.outputs;
    assert.deepEqual([state.id, baseImageName, imageName, repoDigest, dockerfile], [name, name, name, info.Id, "Dockerfile"]);
    assert.equal(info.Config.Labels["two"], undefined, "only the target is built");
    const [output] = await runIn(name, "cat /who; cd /c; find . -type f -o -type l | sort | tr '\\n' ' '");
    assert.equal(output, "me\n./.dockerignore ./Dockerfile ./a.txt ./link ./sub/b.txt ./sub/keep.log ");
    await suite.plugin.delete(IMAGE, state, image);
    await docker.getImage(name).inspect();
  });

  it("B15 what RUN gave is kept for the same imagesOf, and made anew for another one", async () => {
    const dockerfile = { path: "Dockerfile", content: Buffer.from(`FROM ${BASE}\nRUN cat /proc/sys/kernel/random/uuid > /made\n`) };
    const made = async (word: string): Promise<string> => {
      const [file] = builtAnew([{ ...dockerfile, executable: false }], word);
      await write("Dockerfile", Buffer.from(file!.content).toString());
      const name = `${unique()}:1`;
      await suite.plugin.create(IMAGE, { ...inputs(name), build: { context, network: "none" } });
      return (await runIn(name, "cat /made"))[0];
    };
    const october = await made("2026-10");
    assert.equal(await made("2026-10"), october, "the builder keeps nothing: the test would see no difference");
    assert.notEqual(await made("2026-11"), october);
  });

  it("a preview builds nothing, and a name that is to be pushed needs its registry", async () => {
    const name = `${unique()}:1`;
    await suite.plugin.create(IMAGE, inputs(name), { preview: true });
    await assert.rejects(docker.getImage(name).inspect(), /no such image/i);
    const refusal = await suite.plugin.check(IMAGE, { imageName: name, build: { context } }).then(
      ({ failures }) => failures.join(),
      (error: unknown) => String(error),
    );
    assert.match(refusal, /fully qualified/);
  });

  it("a build that fails carries the builder's own words", async function () {
    if (underTest === "official") this.skip(); // It says so, but without the output.
    await write("Dockerfile", `FROM ${BASE}\nRUN echo no such package && false\n`);
    const failure = await suite.plugin.create(IMAGE, { ...inputs(`${unique()}:1`), build: { context, network: "none" } }).then(
      () => assert.fail("the build went through"),
      (error: unknown) => error,
    );
    assert.ok(failure instanceof PluginError);
    assert.match(failure.message, /error building image: .*non-zero code: 1[^]*no such package/);
  });

  it("a missing Dockerfile is named", async () => {
    const missing = { ...inputs("x:1"), build: { context, dockerfile: "nowhere/Dockerfile" } };
    await assert.rejects(suite.plugin.check(IMAGE, missing), /could not open dockerfile at relative path "nowhere\/Dockerfile"/);
  });
});

/** What a command prints in a container of an image, and its exit code. */
async function runIn(image: string, script: string): Promise<[string, number]> {
  const container = await docker.createContainer({
    name: unique(),
    Image: image,
    Cmd: ["sh", "-c", script],
    Tty: true,
    HostConfig: { NetworkMode: "none" },
  });
  await container.start();
  const { StatusCode } = (await container.wait()) as { StatusCode: number };
  const output = await container.logs({ stdout: true, stderr: true });
  await container.remove();
  return [output.toString("utf8").replaceAll("\r", ""), StatusCode];
}
