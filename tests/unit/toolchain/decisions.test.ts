import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import type { DockerEndpoint } from "../../../toolchain/lib/docker";
import { UserError } from "../../../toolchain/lib/errors";
import { isCompatible, packageVersion } from "../../../toolchain/lib/pulumi-cli";
import { parseSources } from "../../../toolchain/machine/apt-sources";
import { planEngine } from "../../../toolchain/machine/docker-engine";
import { planGo } from "../../../toolchain/machine/go";
import { enough } from "../../../toolchain/machine/host-checks";
import type { Host } from "../../../toolchain/machine/host";
import { isDebian } from "../../../toolchain/machine/host";
import { Unavailable, checksumOf, releaseFor } from "../../../toolchain/machine/official";
import type { PluginFacts } from "../../../toolchain/machine/plugins";
import { PLUGINS, judgePlugin } from "../../../toolchain/machine/plugins";
import { readGoMod } from "../../../toolchain/machine/go-build";
import type { PulumiSources } from "../../../toolchain/machine/pulumi-cli";
import { pulumiCliStep } from "../../../toolchain/machine/pulumi-cli";
import { inDirectory, recorder, script, withEnv } from "./support";

describe("which Pulumi CLI", () => {
  const wanted = packageVersion("@pulumi/pulumi");

  it("compatible is the same major version, from the pinned minor on", () => {
    const cases: [string, boolean][] = [
      ["3.259.0", true],
      ["v3.259.4", true],
      ["3.260.0-alpha.1", true],
      ["3.1000.0", true],
      ["3.258.99", false],
      ["4.0.0", false],
      ["2.300.0", false],
      ["nonsense", false],
      ["", false],
    ];
    for (const [version, expected] of cases) assert.equal(isCompatible(version, "3.259.0"), expected, version);
  });

  interface Way {
    readonly installed?: boolean;
    readonly official: "there" | "unavailable" | "damaged";
  }

  async function decide(way: Way): Promise<{ asked: string[]; bin: string[]; cli: string | undefined; lines: string[]; error: unknown }> {
    const asked: string[] = [];
    let outcome: { bin: string[]; cli: string | undefined; lines: string[]; error: unknown } | undefined;
    await inDirectory(async (directory) => {
      const release = path.join(directory, "release");
      mkdirSync(release);
      for (const name of ["pulumi", "pulumi-language-nodejs"]) script(path.join(release, name), "echo v9 official");
      const built = script(path.join(directory, "built"), "echo built");
      const sources: PulumiSources = {
        installed: () => {
          asked.push("installed");
          return way.installed ? { file: "/usr/bin/pulumi", version: wanted } : undefined;
        },
        official: (version) => {
          asked.push(`official ${version}`);
          if (way.official === "unavailable") return Promise.reject(new Unavailable("no route"));
          if (way.official === "damaged") return Promise.reject(new UserError("checksum differs"));
          return Promise.resolve(release);
        },
        built: (version) => {
          asked.push(`built ${version}`);
          return Promise.resolve(built);
        },
      };
      const home = path.join(directory, "home");
      await withEnv({ PULUMI_HOME: home }, async () => {
        const progress = recorder();
        let error: unknown;
        await pulumiCliStep(sources)
          .ensure({ progress, official: false })
          .catch((thrown: unknown) => (error = thrown));
        const bin = path.join(home, "bin");
        const cli = path.join(bin, "pulumi");
        outcome = {
          bin: existsSync(bin) ? readdirSync(bin).sort() : [],
          cli: existsSync(cli) ? readFileSync(cli, "utf8") : undefined,
          lines: progress.lines,
          error,
        };
      });
    });
    assert.ok(outcome);
    return { asked, ...outcome };
  }

  it("one that is installed is used and nothing else is asked", async () => {
    const { asked, bin } = await decide({ installed: true, official: "there" });
    assert.deepEqual(asked, ["installed"]);
    assert.deepEqual(bin, []);
  });

  it("else the official release, with its language host", async () => {
    const { asked, bin, error } = await decide({ official: "there" });
    assert.equal(error, undefined);
    assert.deepEqual(asked, ["installed", `official ${wanted}`]);
    assert.deepEqual(bin, ["pulumi", "pulumi-language-nodejs"]);
  });

  it("else a build, saying why", async () => {
    const { asked, bin, cli, lines } = await decide({ official: "unavailable" });
    assert.deepEqual(asked, ["installed", `official ${wanted}`, `built ${wanted}`]);
    assert.deepEqual(bin, ["pulumi"]);
    assert.match(cli ?? "", /echo built/);
    assert.match(lines[0] ?? "", /cannot be downloaded \(no route\)/);
  });

  it("a download with a wrong checksum stops everything: no build, nothing installed", async () => {
    const { asked, bin, error } = await decide({ official: "damaged" });
    assert.ok(error instanceof UserError);
    assert.equal(error.message, "checksum differs");
    assert.equal(asked.length, 2);
    assert.deepEqual(bin, []);
  });

  it("a CLI that is too old is kept beside the new one under its version", () =>
    inDirectory(async (directory) => {
      const bin = path.join(directory, "bin");
      mkdirSync(bin);
      script(path.join(bin, "pulumi"), "echo v3.100.0");
      const built = script(path.join(directory, "built"), "echo v3.259.0");
      await withEnv({ PULUMI_HOME: directory }, async () => {
        const step = pulumiCliStep({
          installed: () => undefined,
          official: () => Promise.reject(new Unavailable("no route")),
          built: () => Promise.resolve(built),
        });
        await step.ensure({ progress: recorder(), official: false });
      });
      assert.deepEqual(readdirSync(bin).sort(), ["pulumi", "pulumi-v3.100.0"]);
      assert.match(readFileSync(path.join(bin, "pulumi-v3.100.0"), "utf8"), /v3\.100\.0/);
    }));

  it("names the release archive of each platform", () => {
    const base = "https://get.pulumi.com/releases/sdk";
    assert.deepEqual(releaseFor("3.259.0", "linux", "x64"), {
      archive: "pulumi-v3.259.0-linux-x64.tar.gz",
      url: `${base}/pulumi-v3.259.0-linux-x64.tar.gz`,
      checksums: `${base}/pulumi-3.259.0-checksums.txt`,
    });
    assert.equal(releaseFor("3.259.0", "darwin", "arm64")?.archive, "pulumi-v3.259.0-darwin-arm64.tar.gz");
    assert.equal(releaseFor("3.259.0", "win32", "x64")?.archive, "pulumi-v3.259.0-windows-x64.zip");
    assert.equal(releaseFor("3.259.0", "freebsd", "x64"), undefined);
    assert.equal(releaseFor("3.259.0", "linux", "s390x"), undefined);
  });

  it("finds a checksum by the exact file name", () => {
    const hash = "A".repeat(64);
    const text = `${"b".repeat(64)}  pulumi-v3.259.0-linux-x64.tar.gz.sig\n${hash}  pulumi-v3.259.0-linux-x64.tar.gz\nshort  other\n`;
    assert.equal(checksumOf(text, "pulumi-v3.259.0-linux-x64.tar.gz"), hash.toLowerCase());
    assert.equal(checksumOf(text, "other"), undefined);
    assert.equal(checksumOf("", "x"), undefined);
  });
});

describe("building from the Go module proxy", () => {
  it("takes Go version and remote replacements from the module's go.mod", () => {
    const text = [
      "module github.com/pulumi/pulumi/pkg/v3",
      "go 1.25.11",
      "replace github.com/pulumi/pulumi/sdk/v3 => ../sdk",
      "replace a.example/x => b.example/x v0.0.0-2024 // why",
      "replace (",
      "  c.example/y v1.0.0 => d.example/y v1.2.0",
      "  e.example/z => ./local",
      "  f.example/z => /absolute",
      ")",
    ].join("\n");
    assert.deepEqual(readGoMod(text, "x", "by hand"), {
      go: "1.25.11",
      replaces: ["c.example/y v1.0.0 => d.example/y v1.2.0", "a.example/x => b.example/x v0.0.0-2024"],
      directories: ["e.example/z", "f.example/z", "github.com/pulumi/pulumi/sdk/v3"],
    });
    assert.throws(() => readGoMod("module x\n", "x", "by hand"), /the go.mod of x names no Go version/);
  });

  it("uses a Go that is new enough, and else the way its version has to a newer one", () => {
    const cases: [string, string][] = [
      ["go version go1.26.8 linux/amd64", "as it is"],
      ["go version go1.25.11 linux/amd64", "as it is"],
      ["go version go1.25.9 linux/amd64", "fetches a newer one by itself"],
      ["go version go1.21.0 darwin/arm64", "fetches a newer one by itself"],
      ["go version go1.19.8 linux/amd64", "fetches a newer one as a module"],
      ["go version go1.20 linux/amd64", "fetches a newer one as a module"],
    ];
    for (const [found, plan] of cases) assert.equal(planGo(found, "1.25.11"), plan, found);
  });
});

describe("which plugins", () => {
  const judge = (facts: Partial<PluginFacts>): string => {
    const state = judgePlugin("docker", "5.2.0", { onPath: undefined, installed: [], ...facts });
    return `${state.kind}: ${state.detail}`;
  };

  it("a local phase never needs the AWS plugin", () => {
    assert.deepEqual(PLUGINS.cluster, ["docker", "random"]);
    assert.ok(!PLUGINS.database.includes("aws"));
    assert.ok(PLUGINS.cloud.includes("aws"));
  });

  it("judges as the engine chooses: PATH, the exact version, a newer one of the same major version", () => {
    assert.equal(judge({}), "missing: v5.2.0 is not installed");
    assert.equal(judge({ onPath: "/opt/pulumi-resource-docker" }), "ok: on PATH: /opt/pulumi-resource-docker");
    assert.equal(judge({ installed: [{ version: "5.2.0", found: "official" }] }), "ok: v5.2.0");
    assert.equal(judge({ installed: [{ version: "5.10.0", found: "official" }] }), "ok: v5.10.0 (this project was tested with v5.2.0)");
    for (const version of ["5.1.9", "4.9.0", "6.0.0"]) {
      assert.equal(judge({ installed: [{ version, found: "official" }] }), "missing: v5.2.0 is not installed", version);
    }
    assert.equal(judge({ installed: [{ version: "5.2.0", found: "stand-in" }] }), "stand-in: stand-in for the official plugin v5.2.0");
    assert.equal(judge({ installed: [{ version: "5.2.0", found: "outdated stand-in" }] }), "missing: stand-in of another clone or version");
    assert.equal(judge({ installed: [{ version: "5.3.0", found: "stand-in" }] }), "missing: v5.2.0 is not installed");
  });

  it("a missing one names the command that installs it by hand", () => {
    const state = judgePlugin("docker", "5.2.0", { onPath: undefined, installed: [] });
    assert.ok(state.kind === "missing");
    assert.match(state.fix, /pulumi plugin install resource docker 5\.2\.0/);
  });
});

describe("what to do about a Docker Engine that does not answer", () => {
  const debian: Host = { platform: "linux", debian: true, root: true, systemd: false };

  it("root on Debian installs and starts it, everybody else gets the exact instruction", () => {
    const plan = (
      host: Host,
      code = "ENOENT",
      endpoint: DockerEndpoint = { host: "unix:///var/run/docker.sock", source: "default" },
    ): string => {
      const result = planEngine(host, code, endpoint, "connect ENOENT");
      return result.kind === "install" ? "install" : `${result.message} | ${result.fix}`;
    };
    assert.equal(plan(debian), "install");
    assert.match(plan({ ...debian, root: false }), /only root can install or start it \| sudo apt-get install docker\.io/);
    assert.match(plan({ ...debian, root: false }, "EACCES"), /permission denied on its socket\) \| sudo usermod -aG docker/);
    assert.match(plan({ ...debian, debian: false }), /no apt-get .*\| install Docker Engine/);
    assert.match(plan({ platform: "darwin", debian: false, root: false, systemd: false }), /start Docker Desktop.*brew install/);
    assert.match(plan({ platform: "win32", debian: false, root: false, systemd: false }), /start Docker Desktop.*winget install/);
    const remote = plan(debian, "ECONNREFUSED", { host: "tcp://10.0.0.5:2375", source: "DOCKER_HOST" });
    assert.match(remote, /does not answer at tcp:\/\/10\.0\.0\.5:2375 .*unset the variable/);
    assert.match(plan(debian, "ENOENT", { host: "ssh://x@y", source: "docker:host" }), /does not answer at ssh:\/\/x@y .*docker:host/);
  });

  it("knows Debian and what descends from it", () => {
    assert.equal(isDebian('ID=debian\nVERSION_ID="12"\n'), true);
    assert.equal(isDebian("NAME=Ubuntu\nID=ubuntu\nID_LIKE=debian\n"), true);
    assert.equal(isDebian('ID=pop\nID_LIKE="ubuntu debian"\n'), true);
    assert.equal(isDebian("ID=fedora\nVARIANT_ID=debian\n"), false);
    assert.equal(isDebian(""), false);
  });
});

describe("facts of the machine", () => {
  it("too little disk is missing, with the figures and a fix", () => {
    assert.deepEqual(enough("free", 10e9, 3e9, "free some"), { kind: "ok", detail: "10.0 GB free" });
    assert.deepEqual(enough("free", 1.25e9, 3e9, "free some"), {
      kind: "missing",
      detail: "1.3 GB free, needed are 3 GB",
      fix: "free some",
    });
  });

  it("takes Debian's mirrors from the host's own sources, and no other, local or private address", () => {
    const lines = [
      "https://packages.example.com/apt/|stable|Example",
      "https://user:secret@mirror.example.com/debian/|bookworm|Debian",
      "file:///srv/debian/|bookworm|Debian",
      "http://mirror.example.com/debian/|bookworm-backports|Debian",
      "http://mirror.example.com/debian/|bookworm|Debian",
      "http://mirror.example.com/debian-security/|bookworm-security|Debian",
      "not an address|x|Debian",
    ];
    assert.deepEqual(parseSources(lines.join("\n")), {
      main: "http://mirror.example.com/debian",
      security: "http://mirror.example.com/debian-security",
    });
    assert.deepEqual(parseSources("http://archive.example.com/ubuntu/|noble|Ubuntu\n"), { main: undefined, security: undefined });
    assert.deepEqual(parseSources(""), { main: undefined, security: undefined });
  });

  it("a list file that cannot be parsed does not break it", () => {
    assert.deepEqual(parseSources("|||\n\n|"), { main: undefined, security: undefined });
  });
});
