import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { StaticFiles } from "../../../app/src/http/static-files";

describe("static files", () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), "phased-static-"))));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  function files(contents: Readonly<Record<string, string>>): StaticFiles {
    for (const [name, content] of Object.entries(contents)) {
      mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
      writeFileSync(path.join(directory, name), content);
    }
    return new StaticFiles(directory);
  }

  const text = (served: StaticFiles, url: string): string => served.find(url)?.content.toString() ?? "nothing";

  const PAGE = {
    "index.html": '<script src="main.js"></script><a href="https://example.org/main.js">',
    "main.js": 'import { one } from "./parts/one.js"; import "/style.css"; const text = "unknown.js";',
    "parts/one.js": 'export { two } from "./two.js";',
    "parts/two.js": "export const two = 2;",
    "style.css": "body { background: url(icon.svg) }",
    "icon.svg": "<svg/>",
  };

  it("B6 pages and modules refer to names with the hash of the content, in the form in which they referred before", () => {
    const served = files(PAGE);
    const [, main = ""] = /src="(main\.[0-9a-f]{12}\.js)"/.exec(text(served, "/")) ?? [];
    assert.match(text(served, "/"), /href="https:\/\/example\.org\/main\.js"/, "other people's names stay");
    assert.match(
      text(served, `/${main}`),
      /^import \{ one \} from "\.\/parts\/one\.[0-9a-f]{12}\.js"; import "\/style\.[0-9a-f]{12}\.css"; const text = "unknown\.js";$/,
    );
    const [, one = ""] = /"\.\/(parts\/one\.[0-9a-f]{12}\.js)"/.exec(text(served, `/${main}`)) ?? [];
    assert.match(text(served, `/${one}`), /"\.\/two\.[0-9a-f]{12}\.js"/);
    assert.match(text(served, "/style.css"), /url\(icon\.[0-9a-f]{12}\.svg\)/);
    assert.deepEqual(
      [served.find(`/${main}`)?.immutable, served.find("/main.js")?.immutable, served.find("/")?.immutable],
      [true, false, false],
    );
  });

  it("B6 a change deep down changes the names of everything above it, and of nothing else", () => {
    const before = text(files(PAGE), "/main.js");
    const after = text(files({ "parts/two.js": "export const two = 3;" }), "/main.js");
    const names = (content: string): string[] => [...content.matchAll(/(one|style)\.([0-9a-f]{12})/g)].map(([, , hash = ""]) => hash);
    assert.notEqual(names(before)[0], names(after)[0]);
    assert.equal(names(before)[1], names(after)[1]);
  });

  it("the name of another version leads to the content of this one, which must not be kept", () => {
    const served = files(PAGE);
    const other = served.find("/main.0123456789ab.js");
    assert.equal(other?.content, served.find("/main.js")?.content);
    assert.equal(other?.immutable, false);
    assert.equal(served.find("/none.0123456789ab.js"), undefined);
    assert.equal(served.find("/../package.json"), undefined);
  });

  it("names the files of a circle, for which there is no hash", () => {
    const circle = { "a.js": 'import "./b.js";', "b.js": 'import "./a.js";' };
    assert.throws(() => files(circle), /refer to each other in a circle: a\.js → b\.js → a\.js/);
  });
});
