import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { imageName, referenceVersion } from "../../../components/local/image";
import { bundleApp } from "../../../components/local/image/bundle";
import { keptBundle } from "../../../components/local/image/kept-bundle";
import { type ContextFile, contextTag, readContext } from "../../../components/local/image/context-hash";
import { writeContext } from "../../../components/local/image/write-context";

const segment = fc.stringMatching(/^[a-z0-9]{1,6}(\.[a-z]{1,3})?$/);
const file: fc.Arbitrary<ContextFile> = fc.record({
  path: fc.array(segment, { minLength: 1, maxLength: 2 }).map((parts) => parts.join("/d/")),
  content: fc.uint8Array({ maxLength: 64 }),
  executable: fc.boolean(),
});
const files = fc.uniqueArray(file, { selector: ({ path: name }) => name, minLength: 1, maxLength: 8 });

describe("content hash of a build context", () => {
  it("does not depend on the order of the files", () => {
    fc.assert(
      fc.property(files, (list) => {
        const shuffled = [...list].reverse();
        assert.equal(contextTag(shuffled), contextTag(list));
        assert.match(contextTag(list), /^[0-9a-f]{16}$/);
      }),
    );
  });

  it("changes with any byte, any name, any executable bit and any file more or less", () => {
    fc.assert(
      fc.property(files, fc.nat(), fc.nat(), (list, which, where) => {
        const tag = contextTag(list);
        const index = which % list.length;
        const target = list[index]!;
        const others = list.filter((_, position) => position !== index);
        const flipped = Uint8Array.from(target.content, (byte, position) => (position === where % target.content.length ? byte ^ 1 : byte));
        const changed: ContextFile[][] = [
          [...others, { ...target, path: `${target.path}x` }],
          [...others, { ...target, executable: !target.executable }],
          [...others, { ...target, content: Uint8Array.from([...target.content, 0]) }],
          [...list, { path: "one-more", content: new Uint8Array(), executable: false }],
          others,
          ...(target.content.length === 0 ? [] : [[...others, { ...target, content: flipped }]]),
        ];
        for (const variant of changed) assert.notEqual(contextTag(variant), tag);
      }),
    );
  });

  it("keeps files apart whose names and contents run together to the same bytes", () => {
    const make = (name: string, content: string): ContextFile => ({ path: name, content: Buffer.from(content), executable: false });
    assert.notEqual(contextTag([make("a", "b1:c:-:0:")]), contextTag([make("a", "b"), make("c", "")]));
    assert.notEqual(contextTag([make("ab", "c")]), contextTag([make("a", "bc")]));
  });
});

describe("build context on disk", () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), "phased-context-"));
  });

  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("what is written is what is read, and the tag does not see times or the umask", () => {
    const target = path.join(directory, "context");
    fc.assert(
      fc.property(files, (list) => {
        // A file cannot be a directory as well.
        fc.pre(!list.some(({ path: name }) => list.some((other) => other.path.startsWith(`${name}/`))));
        rmSync(target, { recursive: true, force: true });
        writeContext(target, list);
        assert.equal(contextTag(readContext(target)), contextTag(list));
        const first = path.join(target, list[0]!.path);
        utimesSync(first, 1, 1);
        chmodSync(first, list[0]!.executable ? 0o700 : 0o600);
        assert.equal(contextTag(readContext(target)), contextTag(list));
        writeContext(target, list);
        assert.equal(statSync(first).mode & 0o777, list[0]!.executable ? 0o755 : 0o644);
      }),
      { numRuns: 30 },
    );
  });

  it("removes what no longer belongs there, leaves alone what is right, and nothing unfinished beside it", () => {
    const keep = { path: "keep.txt", content: Buffer.from("same"), executable: false };
    writeContext(directory, [keep, { path: "old/gone.txt", content: Buffer.from("x"), executable: false }]);
    utimesSync(path.join(directory, "keep.txt"), 1, 1);
    writeContext(directory, [keep, { path: "new.txt", content: Buffer.from("y"), executable: false }]);
    assert.deepEqual(
      readContext(directory)
        .map(({ path: name }) => name)
        .sort(),
      ["keep.txt", "new.txt"],
    );
    assert.equal(statSync(path.join(directory, "keep.txt")).mtimeMs, 1000, "an unchanged file was written again");
    const siblings = readdirSync(path.dirname(directory)).filter((name) => name.startsWith(path.basename(directory)));
    assert.deepEqual(siblings, [path.basename(directory)]);
  });

  it("reads through links to files and never into node_modules", () => {
    mkdirSync(path.join(directory, "node_modules/x"), { recursive: true });
    writeFileSync(path.join(directory, "node_modules/x/index.js"), "x");
    writeFileSync(path.join(directory, "real"), "content");
    symlinkSync("real", path.join(directory, "link"));
    const read = readContext(directory);
    assert.deepEqual(read.map(({ path: name }) => name).sort(), ["link", "real"]);
    assert.equal(Buffer.from(read[0]!.content).toString(), "content");
  });
});

describe("bundle that is kept", () => {
  let around: string;
  let made: number;
  const program = (text: string): ContextFile[] => [{ path: "main.js", content: Buffer.from(text), executable: false }];
  const ask = async (options = "as ever"): Promise<string> => {
    const files = await keptBundle(path.join(around, "kept"), path.join(around, "app"), options, () =>
      Promise.resolve(program(`made ${++made}`)),
    );
    assert.deepEqual(
      files.map((entry) => entry.path),
      ["main.js"],
    );
    return Buffer.from(files[0]!.content).toString();
  };

  beforeEach(() => {
    around = mkdtempSync(path.join(tmpdir(), "phased-kept-"));
    made = 0;
    mkdirSync(path.join(around, "app/src"), { recursive: true });
    mkdirSync(path.join(around, "node_modules"));
    writeFileSync(path.join(around, "app/src/main.ts"), "one");
    writeFileSync(path.join(around, "package-lock.json"), "{}");
  });

  afterEach(() => rmSync(around, { recursive: true, force: true }));

  it("is made once, and again for other sources, other packages, other options", async () => {
    assert.equal(await ask(), "made 1");
    assert.equal(await ask(), "made 1");
    writeFileSync(path.join(around, "app/src/main.ts"), "two");
    assert.equal(await ask(), "made 2");
    writeFileSync(path.join(around, "package-lock.json"), "{ }");
    assert.equal(await ask(), "made 3");
    writeFileSync(path.join(around, "node_modules/.package-lock.json"), "{}");
    assert.equal(await ask(), "made 4");
    assert.equal(await ask("another way"), "made 5");
    writeFileSync(path.join(around, "app/src/more.ts"), "");
    assert.equal(await ask(), "made 6");
  });

  it("is found again when the sources go back, and only the last four stay", async () => {
    for (const text of ["a", "b", "c", "d", "e"]) {
      writeFileSync(path.join(around, "app/src/main.ts"), text);
      await ask();
      // Which was used last is told by times of the file system, which two uses within a tick would share.
      const used = readdirSync(path.join(around, "kept")).map((name) => path.join(around, "kept", name));
      for (const place of used) utimesSync(place, new Date(), new Date(statSync(place).mtimeMs - 1000));
    }
    assert.equal(readdirSync(path.join(around, "kept")).length, 4);
    writeFileSync(path.join(around, "app/src/main.ts"), "b");
    assert.equal(await ask(), "made 2");
    writeFileSync(path.join(around, "app/src/main.ts"), "a");
    assert.equal(await ask(), "made 6");
  });

  it("keeps nothing of what could not be made, and two at the same time do not hinder each other", async () => {
    const broken = keptBundle(path.join(around, "kept"), path.join(around, "app"), "", () => Promise.reject(new Error("does not compile")));
    await assert.rejects(broken, /does not compile/);
    await Promise.all([ask(), ask()]);
    const kept = readdirSync(path.join(around, "kept"));
    assert.equal(kept.length, 1, kept.join());
    assert.match(await ask(), /^made [12]$/);
  });
});

describe("bundle of the app", () => {
  it("is the same every time, and has the program, what AWS needs beside it, its migrations, its pages and the Dockerfile", async function () {
    this.timeout(60_000);
    const app = path.resolve(__dirname, "../../../app");
    const first = await bundleApp(app);
    const kept = mkdtempSync(path.join(tmpdir(), "phased-bundle-"));
    // By another name of the same directory it is made anew instead of remembered.
    const second = await bundleApp(`${app}/.`, kept);
    rmSync(kept, { recursive: true, force: true });
    assert.equal(contextTag(second), contextTag(first));
    const names = first.map(({ path: name }) => name);
    for (const name of ["main.js", "aws-sdk.js", "bullmq.js", "kafka.js", "Dockerfile"]) assert.ok(names.includes(name), names.join());
    assert.ok(
      names.some((name) => /^migrations\/sqlite\/\d+.*\.sql$/.test(name)),
      names.join(),
    );
    const program = Buffer.from(first.find(({ path: name }) => name === "main.js")!.content).toString();
    assert.ok(!program.includes(path.resolve(__dirname, "../../..")), "a path of this machine is in the bundle");
  });

  it("fails with the compiler's message when the source is broken", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "phased-bundle-"));
    try {
      mkdirSync(path.join(directory, "src"));
      writeFileSync(path.join(directory, "src/main.ts"), "const = 1;");
      await assert.rejects(bundleApp(directory), /Expected identifier/);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe("names of images", () => {
  it("stay on the Docker host and are valid whatever the project is called", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (project) => {
        assert.match(imageName(project, "app", "0123456789abcdef"), /^localhost\/[a-z0-9]+(-[a-z0-9]+)*\/app:0123456789abcdef$/);
      }),
    );
    assert.equal(imageName("Phased_Stack", "app", "t"), "localhost/phased-stack/app:t");
  });

  it("give the version: digest, tag, or latest", () => {
    const digest = `sha256:${"0".repeat(64)}`;
    const cases: Record<string, string> = {
      "app:1.2": "1.2",
      "host:5000/team/app:2": "2",
      "host:5000/team/app": "latest",
      [`app:1@${digest}`]: digest,
    };
    for (const [reference, version] of Object.entries(cases)) assert.equal(referenceVersion(reference), version);
  });
});
