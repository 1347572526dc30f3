import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { UserError } from "../../../toolchain/lib/errors";
import { exec } from "../../../toolchain/lib/exec";
import { BUILD_DIR } from "../../../toolchain/lib/paths";
import { packageVersion } from "../../../toolchain/lib/pulumi-cli";
import type { MachineSteps } from "../../../toolchain/machine";
import { prepareMachine } from "../../../toolchain/machine";
import { startDaemon } from "../../../toolchain/machine/docker-engine";
import { installFile, writeInOneStep } from "../../../toolchain/machine/files";
import { inspectExecutable, installLauncher, launcherText } from "../../../toolchain/machine/launcher";
import { connects } from "../../../toolchain/machine/official";
import { pluginSteps } from "../../../toolchain/machine/plugins";
import { isUsable, rootFilesystem } from "../../../toolchain/machine/root-filesystem";
import type { Step } from "../../../toolchain/machine/types";
import { inDirectory, recorder, script, withEnv } from "./support";

/** A step that is satisfied once its ensure has run. */
function step(id: string, log: string[], ensure: () => Promise<void> = () => Promise.resolve()): Step {
  let done = false;
  return {
    id,
    title: id,
    check: () => Promise.resolve(done ? { kind: "ok", detail: "there" } : { kind: "missing", detail: "absent", fix: "run it" }),
    ensure: async () => {
      log.push(id);
      await ensure();
      done = true;
    },
  };
}

/** Runs without printing. */
async function quietly(run: () => Promise<void>): Promise<string> {
  const written: string[] = [];
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = (chunk: string | Uint8Array) => {
    written.push(String(chunk));
    return true;
  };
  try {
    await run();
  } finally {
    process.stdout.write = write;
  }
  return written.join("");
}

describe("preparing a machine", () => {
  it("runs what is missing, in order, and does nothing a second time", async () => {
    const log: string[] = [];
    const steps: MachineSteps = { first: [step("docker", log)], groups: [[step("cli", log), step("plugin", log)], [step("image", log)]] };
    const text = await quietly(() => prepareMachine({ phase: "cluster" }, steps));
    assert.equal(log[0], "docker");
    assert.ok(log.indexOf("cli") < log.indexOf("plugin"));
    assert.equal(log.length, 4);
    assert.match(text, /\[ +\d+\.\d s\] docker … done \(\d+ ms\)/);
    await quietly(() => prepareMachine({ phase: "cluster" }, steps));
    assert.equal(log.length, 4);
  });

  it("after a failure in the middle the next run repeats only what is still missing", async () => {
    const log: string[] = [];
    let broken = true;
    const failing = step("plugin", log, () => (broken ? Promise.reject(new UserError("no room", "make some")) : Promise.resolve()));
    const steps: MachineSteps = {
      first: [step("docker", log)],
      groups: [[step("cli", log), failing, step("last", log)], [step("image", log)]],
    };
    await assert.rejects(
      quietly(() => prepareMachine({ phase: "cluster" }, steps)),
      /^UserError: no room$/,
    );
    assert.deepEqual(
      [...log].sort(),
      ["cli", "docker", "image", "plugin"],
      "the other group finishes, what depends on the failed step does not begin",
    );
    broken = false;
    log.length = 0;
    await quietly(() => prepareMachine({ phase: "cluster" }, steps));
    assert.deepEqual(log, ["plugin", "last"]);
  });

  it("a step that did not bring about what it should is a failure, whatever it says", async () => {
    const idle: Step = {
      id: "idle",
      title: "Idle",
      check: () => Promise.resolve({ kind: "missing", detail: "still absent", fix: "do it by hand" }),
      ensure: () => Promise.resolve(),
    };
    await assert.rejects(
      quietly(() => prepareMachine({ phase: "cluster" }, { first: [idle], groups: [] })),
      (error) => error instanceof UserError && error.message === "Idle: still absent" && error.hint === "do it by hand",
    );
  });

  it("stand-ins are left alone unless the official ones are asked for", async () => {
    const log: string[] = [];
    const standIn: Step = {
      id: "s",
      title: "s",
      check: () => Promise.resolve({ kind: "stand-in", detail: "d", fix: "f" }),
      ensure: ({ official }) => Promise.resolve(void log.push(`official: ${official}`)),
    };
    const text = await quietly(() => prepareMachine({ phase: "cluster" }, { first: [], groups: [[standIn]] }));
    assert.deepEqual(log, []);
    assert.match(text, /stand-ins in use \(restricted network\): s/);
    await quietly(() => prepareMachine({ phase: "cluster", official: true }, { first: [], groups: [[standIn]] }));
    assert.deepEqual(log, ["official: true"]);
  });
});

describe("files put in place in one step", () => {
  it("replaces the file, keeps what a running program has open, leaves no draft", () =>
    inDirectory((directory) => {
      const source = path.join(directory, "source");
      const target = path.join(directory, "bin", "tool");
      writeFileSync(source, "new");
      installFile(source, target);
      const inode = statSync(target).ino;
      writeInOneStep(target, "newer", 0o755);
      assert.notEqual(statSync(target).ino, inode, "another file, not the old one overwritten");
      assert.equal(readFileSync(source, "utf8"), "new", "the source is never written through");
      assert.deepEqual(readdirSync(path.dirname(target)), ["tool"]);
      assert.equal(statSync(target).mode & 0o777, 0o755);
    }));

  it("a draft left by a killed run is no obstacle", () =>
    inDirectory((directory) => {
      const source = path.join(directory, "source");
      const target = path.join(directory, "tool");
      writeFileSync(source, "new");
      writeFileSync(`${target}.${process.pid}.new`, "half");
      installFile(source, target);
      assert.equal(readFileSync(target, "utf8"), "new");
    }));
});

describe("stand-in launchers", () => {
  it("are told from official executables and from those of another clone", () =>
    inDirectory(async (directory) => {
      const file = path.join(directory, "pulumi-language-nodejs");
      assert.equal(inspectExecutable(file, "language-nodejs"), "absent");
      script(file, "echo official");
      assert.equal(inspectExecutable(file, "language-nodejs"), "official");
      writeFileSync(file, Buffer.alloc(100_000));
      assert.equal(inspectExecutable(file, "language-nodejs"), "official");
      writeFileSync(file, launcherText("language-nodejs", "/gone/bundle.js", "/gone"));
      assert.equal(inspectExecutable(file, "language-nodejs"), "outdated stand-in");
      await installLauncher("language-nodejs", file);
      assert.equal(inspectExecutable(file, "language-nodejs"), "stand-in");
      assert.equal(statSync(file).mode & 0o111, 0o111);
      assert.ok(readFileSync(file, "utf8").includes(BUILD_DIR), "it names the bundle of this clone");
    }));

  it("one whose clone is gone says so in one sentence", async () => {
    await inDirectory(async (directory) => {
      const file = script(path.join(directory, "x"), "");
      writeFileSync(file, launcherText("docker", "/gone/it's here/bundle.js", "/gone/it's here"));
      chmodSync(file, 0o755);
      const result = await exec(file, ["127.0.0.1:1"], { timeoutMs: 5_000, check: false });
      assert.equal(result.code, 1);
      assert.match(result.tail, /^the stand-in for docker belongs to a clone that is gone/);
    });
  });
});

describe("plugins on disk", () => {
  it("a half-installed one does not count", () =>
    inDirectory(async (directory) => {
      const version = packageVersion("@pulumi/random");
      const plugin = path.join(directory, "plugins", `resource-random-v${version}`);
      mkdirSync(plugin, { recursive: true });
      const kind = async (): Promise<string> => (await pluginSteps("cluster")[1]!.check()).kind;
      await withEnv({ PULUMI_HOME: directory, PATH: "/nowhere" }, async () => {
        assert.equal(await kind(), "missing", "an empty directory");
        script(path.join(plugin, "pulumi-resource-random"), "echo official");
        assert.equal(await kind(), "ok");
        writeFileSync(`${plugin}.partial`, "");
        assert.equal(await kind(), "missing", "marked as partial by the CLI");
      });
    }));
});

describe("the cached root file system", () => {
  it("is used only whole and young", () =>
    inDirectory(async (directory) => {
      const archive = path.join(directory, "rootfs.tar.gz");
      assert.equal(await isUsable(archive), false, "absent");
      writeFileSync(archive, "content");
      assert.equal(await isUsable(archive), false, "without checksum");
      writeFileSync(`${archive}.sha256`, `${createHash("sha256").update("content").digest("hex")}\n`);
      assert.equal(await isUsable(archive), true);
      const day = 24 * 60 * 60_000;
      assert.equal(await isUsable(archive, Date.now() + 29 * day), true);
      assert.equal(await isUsable(archive, Date.now() + 31 * day), false, "stale");
      writeFileSync(archive, "conten");
      assert.equal(await isUsable(archive), false, "truncated");
      utimesSync(archive, new Date(), new Date());
      assert.equal(await isUsable(archive), false, "a new date does not make it whole");
    }));
});

describe("what a killed run left behind", () => {
  it("is removed by the next run, unless its process still lives", () =>
    inDirectory(async (directory) => {
      const archive = path.join(directory, `rootfs-trixie-${process.arch}.tar.gz`);
      writeFileSync(archive, "content");
      writeFileSync(`${archive}.sha256`, `${createHash("sha256").update("content").digest("hex")}\n`);
      const dead = spawnSync("true").pid;
      for (const pid of [dead, process.pid]) mkdirSync(path.join(directory, `rootfs-trixie.${pid}.work`, "usr"), { recursive: true });
      writeFileSync(`${archive}.${dead}.new`, "half");
      await withEnv({ PHASED_STACK_CACHE: directory }, async () => {
        assert.equal(await rootFilesystem(recorder()), archive, "the whole archive is used, not the half one");
      });
      assert.deepEqual(
        readdirSync(directory).sort(),
        [path.basename(archive), `${path.basename(archive)}.sha256`, `rootfs-trixie.${process.pid}.work`].sort(),
      );
    }));
});

describe("failures of external steps", () => {
  it("a dockerd that ends at once is told with its last words and the place of its log", () =>
    inDirectory(async (directory) => {
      script(path.join(directory, "dockerd"), "echo 'failed to start daemon: Devices cgroup is not mounted'; exit 1");
      const log = path.join(directory, "dockerd.log");
      const { default: Docker } = await import("dockerode");
      const client = (): Promise<InstanceType<typeof Docker>> =>
        Promise.resolve(new Docker({ socketPath: path.join(directory, "none.sock") }));
      await withEnv({ PATH: `${directory}:${process.env["PATH"] ?? ""}` }, async () => {
        await assert.rejects(startDaemon(recorder(), { log, client }), (error) => {
          assert.ok(error instanceof UserError);
          assert.match(
            error.message,
            /^Docker Engine did not start: it ended with exit code 1; the last lines of .*dockerd\.log:\n {2}failed to start daemon/,
          );
          assert.match(error.hint ?? "", /the log is .*dockerd\.log/);
          return true;
        });
      });
    }));

  it("a host that cannot be reached is noticed within the time limit", async () => {
    const started = performance.now();
    // 192.0.2.0/24 is reserved for documentation: no route, or packets that vanish.
    assert.equal(await connects("192.0.2.1", 443, 300), false);
    assert.ok(performance.now() - started < 1_500);
  });
});
