import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../../../toolchain/lib/paths";
import { inDirectory, isAlive, script, until } from "./support";

const RUN = path.join(ROOT, "toolchain", "run.mjs");
const TSX = ["--import", path.join(ROOT, "node_modules", "tsx", "dist", "loader.mjs")];

interface Clone {
  readonly directory: string;
  /** What the npm of this clone was asked, a line each. */
  readonly npmCalls: () => string[];
  readonly run: (...args: string[]) => { code: number | null; stdout: string; stderr: string };
  readonly start: (...args: string[]) => ChildProcess;
}

/** A clone with a lockfile of one package, a main.ts that tells its arguments, and an npm that is a shell script. */
async function clone(npm: string, test: (clone: Clone) => void | Promise<void>): Promise<void> {
  await inDirectory(async (directory) => {
    mkdirSync(path.join(directory, "toolchain"));
    mkdirSync(path.join(directory, "bin"));
    copyFileSync(RUN, path.join(directory, "toolchain", "run.mjs"));
    writeFileSync(
      path.join(directory, "toolchain", "main.ts"),
      "console.log(JSON.stringify(process.argv.slice(2)), process.execPath);process.exit(7);\n",
    );
    writeFileSync(path.join(directory, ".nvmrc"), `${process.versions.node.split(".")[0] ?? ""}\n`);
    lock(directory, "1.0.0");
    const calls = path.join(directory, "npm-calls");
    const bin = path.join(directory, "node_modules", "node", "bin");
    const install = `mkdir -p ${bin}; ln -sf ${process.execPath} ${bin}/node; ln -sfn ${ROOT}/node_modules/tsx ${directory}/node_modules/tsx`;
    script(path.join(directory, "bin", "npm"), `echo "$@" >> ${calls}\n${npm.replace("INSTALL", install)}`);
    const env = { ...process.env, PATH: `${path.join(directory, "bin")}:${process.env["PATH"] ?? ""}` };
    const command = (args: string[]): string[] => [path.join(directory, "toolchain", "run.mjs"), ...args];
    await test({
      directory,
      npmCalls: () => (existsSync(calls) ? readFileSync(calls, "utf8").trim().split("\n") : []),
      run: (...args) => {
        const { status, stdout, stderr } = spawnSync(process.execPath, command(args), { encoding: "utf8", env, timeout: 20_000 });
        return { code: status, stdout, stderr };
      },
      start: (...args) => spawn(process.execPath, command(args), { env, stdio: ["ignore", "pipe", "pipe"] }),
    });
  });
}

function lock(directory: string, version: string): void {
  const packages = {
    "": { name: "x" },
    "node_modules/a": { version, integrity: `sha512-${version}` },
    "node_modules/b": { version, optional: true },
  };
  writeFileSync(path.join(directory, "package-lock.json"), JSON.stringify({ packages }));
}

describe("node toolchain/run.mjs", () => {
  it("installs when the lockfile changed, once, then hands arguments and exit code over", () =>
    clone("INSTALL", ({ directory, run, npmCalls }) => {
      const first = run("up", "--help", "a b");
      assert.equal(first.code, 7, first.stderr);
      assert.match(first.stdout, /^\["up","--help","a b"\] .*node_modules\/node\/bin\/node|^\["up","--help","a b"\]/);
      assert.match(first.stderr, /npm dependencies: npm ci …\nnpm dependencies: done \(\d+ s\)/);
      assert.equal(run("up").stderr, "");
      assert.deepEqual(npmCalls(), ["ci"]);
      lock(directory, "1.0.1");
      run("up");
      assert.deepEqual(npmCalls(), ["ci", "ci"]);
    }));

  it("does not repeat an npm ci that the user has run", () =>
    clone("INSTALL", ({ directory, run, npmCalls }) => {
      run("up");
      lock(directory, "2.0.0");
      const packages = { "node_modules/a": { version: "2.0.0", integrity: "sha512-2.0.0" } };
      writeFileSync(path.join(directory, "node_modules", ".package-lock.json"), JSON.stringify({ packages }));
      assert.equal(run("up").code, 7);
      assert.deepEqual(npmCalls(), ["ci"]);
    }));

  it("an npm that fails is told in one sentence, and the next run installs again", () =>
    clone('if [ "$(wc -l < $(dirname $0)/../npm-calls)" = 1 ]; then exit 9; fi; INSTALL', ({ run, npmCalls }) => {
      const failed = run("up");
      assert.equal(failed.code, 1);
      assert.match(
        failed.stderr,
        /error: npm ci failed \(exit code 9, output above\); run it by hand in .* once the cause is removed\.\n$/,
      );
      assert.equal(run("up").code, 7);
      assert.deepEqual(npmCalls(), ["ci", "ci"]);
    }));

  it("Ctrl-C during npm ci ends npm, and the next run installs again", () =>
    clone(
      'if [ "$(wc -l < $(dirname $0)/../npm-calls)" = 1 ]; then echo $$ > $(dirname $0)/../npm-pid; exec sleep 300; fi; INSTALL',
      async ({ directory, start, run, npmCalls }) => {
        const child = start("up");
        const pid = path.join(directory, "npm-pid");
        await until(() => existsSync(pid) && readFileSync(pid, "utf8").trim() !== "", 10_000, "npm starts");
        child.kill("SIGINT");
        const code = await new Promise((resolve) => child.once("exit", resolve));
        assert.equal(code, 130);
        await until(() => !isAlive(Number(readFileSync(pid, "utf8"))), 5_000, "npm ends");
        assert.equal(run("up").code, 7);
        assert.deepEqual(npmCalls(), ["ci", "ci"]);
      },
    ));

  it("asks npm to make up for an install script that did not run, and says so if that does not help", () =>
    clone("true", ({ run, npmCalls }) => {
      const result = run("up");
      assert.equal(result.code, 1);
      assert.match(
        result.stderr,
        /error: node_modules\/\.bin\/node is not Node \d+: the install script of the npm package "node" did not run/,
      );
      assert.deepEqual(npmCalls(), ["ci", "rebuild node"]);
    }));

  it("a Node that is too old is told in one sentence", () =>
    clone("INSTALL", ({ directory, npmCalls }) => {
      const pretend =
        'data:text/javascript,Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.20.4" } })';
      const result = spawnSync(process.execPath, ["--import", pretend, path.join(directory, "toolchain", "run.mjs"), "up"], {
        encoding: "utf8",
      });
      assert.equal(result.status, 1);
      assert.equal(
        result.stderr,
        "error: Node 18.20.4 is too old: this project needs Node 20.19 or newer to start; install the version in .nvmrc.\n",
      );
      assert.deepEqual(npmCalls(), []);
    }));

  it("works where node_modules was put by a link", () =>
    clone("INSTALL", ({ directory, run }) => {
      run("up");
      symlinkSync(directory, `${directory}-link`);
      const result = spawnSync(process.execPath, [path.join(`${directory}-link`, "toolchain", "run.mjs"), "x"], { encoding: "utf8" });
      spawnSync("rm", [`${directory}-link`]);
      assert.equal(result.status, 7, result.stderr);
    }));
});

describe("commands", () => {
  const main = (...args: string[]): { code: number | null; stdout: string; stderr: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...TSX, path.join(ROOT, "toolchain", "main.ts"), ...args], {
      encoding: "utf8",
      timeout: 20_000,
    });
    return { code: status, stdout, stderr };
  };

  it("an unknown command is told with the list, without a stack", () => {
    const { code, stderr, stdout } = main("upp");
    assert.equal(code, 1);
    assert.equal(
      stderr,
      'error: unknown command "upp"; there are: up, down, status, drift, restart, failover, migrate-data, backup, restore, verify, load, preview-prod, doctor, env, prepare, bench, chaos, test\n',
    );
    assert.equal(stdout, "");
  });

  it("an unknown option and a bad value are told with the way to the help", () => {
    assert.equal(main("env", "--nope").stderr, "error: unknown option '--nope' (see: npm run env -- --help)\n");
    const bad = main("prepare", "--phase", "moon");
    assert.equal(bad.code, 1);
    assert.match(
      bad.stderr,
      /^error: option '--phase <phase>' argument 'moon' is invalid\. Allowed choices are cluster, database, cloud\. \(see: npm run prepare-machine -- --help\)\n$/,
    );
  });

  it("lists the commands, and every command that is listed has a help of its own", () => {
    const { code, stdout } = main("--help");
    assert.equal(code, 0);
    for (const name of ["doctor", "env", "prepare"]) {
      assert.match(stdout, new RegExp(`^ {2}${name} `, "m"));
      const help = main(name, "--help");
      assert.equal(help.code, 0);
      assert.match(help.stdout, new RegExp(`^Usage: phased-stack ${name} `));
    }
  });

  it("env prints exports and nothing else", () => {
    const { code, stdout, stderr } = main("env");
    assert.equal(code, 0, stderr);
    const lines = stdout.trimEnd().split("\n");
    assert.ok(lines.length >= 3);
    for (const line of lines) assert.match(line, /^export [A-Z_]+=/);
  });

  it("Ctrl-C reaches the children, lets the command tidy up, and ends with 130", async () => {
    const child = spawn(process.execPath, [...TSX, path.join(__dirname, "fixtures", "interrupted.ts")], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await until(() => /child \d+/.test(text), 15_000, "the child starts");
    const pid = Number(/child (\d+)/.exec(text)?.[1]);
    assert.ok(isAlive(pid));
    // A terminal and run.mjs both deliver it: together they count once.
    child.kill("SIGINT");
    child.kill("SIGINT");
    const code = await new Promise((resolve) => child.once("exit", resolve));
    assert.equal(code, 130);
    assert.match(text, /tidied up/);
    await until(() => !isAlive(pid), 5_000, "the child ends");
  });

  it("Ctrl-C while a load waits for something that cannot be ended: the proof says at once what was not sent", async () => {
    const child = spawn(process.execPath, [...TSX, path.join(__dirname, "fixtures", "interrupted-proof.ts")], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await until(() => text.includes("\n"), 15_000, "the proof begins");
    child.kill("SIGINT");
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal(code, 130);
    const last: unknown = JSON.parse(text.trim().split("\n").at(-1) ?? "");
    assert.deepEqual(last, { loads: [], compared: [], notSent: { names: ["smoke", "b-5000-users"], reason: "interrupted" } });
  });

  it("a closed connection (SIGHUP) reaches a child as SIGTERM, at which Pulumi finishes what is under way", async () => {
    const child = spawn(process.execPath, [...TSX, path.join(__dirname, "fixtures", "hung-up.ts")], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await until(() => text.includes("started"), 15_000, "the child starts");
    child.kill("SIGHUP");
    const code = await new Promise((resolve) => child.once("exit", resolve));
    assert.equal(code, 7, text);
    assert.match(text, /asked to end/);
  });
});
