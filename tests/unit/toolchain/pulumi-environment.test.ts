import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { ownBackend, pulumiEnvironment } from "../../../toolchain/lib/pulumi-env";
import { exportLines } from "../../../toolchain/lib/shell";
import { inDirectory, script } from "./support";

interface Place {
  readonly root: string;
  readonly stateDir: string;
  readonly env: Record<string, string>;
}

/** A project, a state directory and a PULUMI_HOME of their own. */
async function place(test: (place: Place) => void): Promise<void> {
  await inDirectory((directory) => {
    writeFileSync(path.join(directory, "Pulumi.yaml"), "name: x\nruntime: nodejs\n");
    const home = path.join(directory, "home");
    mkdirSync(path.join(home, "bin"), { recursive: true });
    test({ root: directory, stateDir: path.join(directory, ".phased"), env: { PULUMI_HOME: home, PATH: "/usr/bin:/bin" } });
  });
}

function fakePulumi(directory: string, version: string): void {
  mkdirSync(directory, { recursive: true });
  script(path.join(directory, "pulumi"), `echo v${version}`);
}

describe("environment for the Pulumi CLI", () => {
  it("without a login: file backend and passphrase of the project's own, made once and private", () =>
    place((options) => {
      const first = pulumiEnvironment(options);
      assert.equal(first.managed, true);
      assert.equal(first.env["PULUMI_BACKEND_URL"], ownBackend(options.stateDir));
      const file = first.env["PULUMI_CONFIG_PASSPHRASE_FILE"] ?? "";
      const passphrase = readFileSync(file, "utf8");
      assert.match(passphrase, /^[A-Za-z0-9_-]{43}$/, "32 random bytes");
      assert.equal(statSync(file).mode & 0o777, 0o600);
      assert.deepEqual(pulumiEnvironment(options), first);
      assert.equal(readFileSync(file, "utf8"), passphrase, "never overwritten");
      assert.equal(first.env["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"], "true");
      assert.equal(first.env["PULUMI_HOME"], options.env["PULUMI_HOME"]);
    }));

  it("an empty passphrase file is told, not replaced: secrets would be lost", () =>
    place((options) => {
      mkdirSync(options.stateDir);
      writeFileSync(path.join(options.stateDir, "passphrase"), "\n");
      assert.throws(() => pulumiEnvironment(options), /passphrase is empty, the secrets of the stacks cannot be read without it/);
    }));

  it("does not touch state for a user who is logged in elsewhere", () =>
    place((options) => {
      const home = options.env["PULUMI_HOME"] ?? "";
      const elsewhere = (env: Record<string, string>): void => {
        const result = pulumiEnvironment({ ...options, env: { ...options.env, ...env } });
        assert.equal(result.managed, false, JSON.stringify(env));
        assert.equal(result.env["PULUMI_BACKEND_URL"], undefined);
        assert.equal(result.env["PULUMI_CONFIG_PASSPHRASE_FILE"], undefined);
      };
      elsewhere({ PULUMI_BACKEND_URL: "s3://bucket" });
      elsewhere({ PULUMI_ACCESS_TOKEN: "x" });
      writeFileSync(path.join(home, "credentials.json"), JSON.stringify({ current: "https://pulumi.example.com" }));
      elsewhere({});
      writeFileSync(path.join(home, "credentials.json"), JSON.stringify({ accounts: {} }));
      assert.equal(pulumiEnvironment(options).managed, true, "logged out");
      writeFileSync(path.join(options.root, "Pulumi.yaml"), "name: x\nruntime: nodejs\nbackend:\n  url: gs://bucket\n");
      elsewhere({});
    }));

  it("its own output fed back in is still its own backend", () =>
    place((options) => {
      const first = pulumiEnvironment(options);
      const again = pulumiEnvironment({ ...options, env: { ...options.env, ...first.env } });
      assert.equal(again.managed, true);
      assert.equal(again.env["PATH"], first.env["PATH"], "PATH does not grow");
    }));

  it("PATH is free of what npm run put in front of it", () =>
    place((options) => {
      const npm = [
        `${options.root}/node_modules/.bin`,
        `${path.dirname(options.root)}/node_modules/.bin`,
        "/node_modules/.bin",
        "/x/lib/node-gyp-bin",
      ];
      const mine = ["/home/me/other/node_modules/.bin", "/usr/bin", "/bin"];
      const PATH = [...npm, ...mine].join(":");
      const entries = (pulumiEnvironment({ ...options, env: { ...options.env, PATH } }).env["PATH"] ?? "").split(":");
      assert.deepEqual(entries, [
        path.join(options.root, "node_modules", ".bin"),
        path.join(options.env["PULUMI_HOME"] ?? "", "bin"),
        ...mine,
      ]);
    }));

  it("keeps a passphrase the user has set", () =>
    place((options) => {
      for (const name of ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"]) {
        const result = pulumiEnvironment({ ...options, env: { ...options.env, [name]: "/mine" } });
        assert.equal(result.managed, true);
        assert.equal(result.env["PULUMI_CONFIG_PASSPHRASE_FILE"], undefined);
      }
    }));

  it("an empty PULUMI_CREDENTIALS_PATH counts as none, as for Pulumi", () =>
    place((options) => {
      const login = JSON.stringify({ current: "https://pulumi.example.com" });
      writeFileSync(path.join(options.env["PULUMI_HOME"] ?? "", "credentials.json"), login);
      assert.equal(pulumiEnvironment({ ...options, env: { ...options.env, PULUMI_CREDENTIALS_PATH: "" } }).managed, false);
    }));

  it("credentials that are not JSON are told by file and fix", () =>
    place((options) => {
      writeFileSync(path.join(options.env["PULUMI_HOME"] ?? "", "credentials.json"), "{");
      assert.throws(() => pulumiEnvironment(options), /credentials\.json is not valid JSON/);
    }));

  it("a compatible CLI on PATH is preferred, an old one is not", () =>
    place((options) => {
      const home = path.join(options.env["PULUMI_HOME"] ?? "", "bin");
      const other = path.join(options.root, "other");
      const entries = (): string[] =>
        (pulumiEnvironment({ ...options, env: { ...options.env, PATH: `${other}:/usr/bin:/bin` } }).env["PATH"] ?? "").split(":");
      const modules = path.join(options.root, "node_modules", ".bin");
      fakePulumi(home, "3.259.0");
      fakePulumi(other, "3.300.1");
      assert.deepEqual(entries(), [modules, other, "/usr/bin", "/bin", home]);
      fakePulumi(other, "3.258.9");
      assert.deepEqual(entries(), [modules, home, other, "/usr/bin", "/bin"]);
      fakePulumi(other, "4.0.0");
      assert.deepEqual(entries(), [modules, home, other, "/usr/bin", "/bin"]);
    }));

  it("property: what `npm run env` prints is read back unchanged by a shell", () => {
    const text = fc.string({
      unit: fc.constantFrom("a", "'", '"', "$", "`", "\\", " ", "\n", "é", "&", ";", "*", "!", "/"),
      maxLength: 20,
    });
    fc.assert(
      fc.property(text, (value) => {
        const result = spawnSync("sh", ["-c", `${exportLines({ VALUE: value })}printf '%s' "$VALUE"`], { encoding: "utf8" });
        assert.equal(result.stdout, value);
      }),
      { numRuns: 60 },
    );
  });
});
