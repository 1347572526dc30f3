import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { FINISHED_SERVICES, SERVICES } from "../../../toolchain/lib/docker-app";
import { RUNBOOKS } from "../../../toolchain/lib/findings";

const ROOT = path.resolve(__dirname, "../../..");
const DIRECTORY = path.join(ROOT, "docs/runbooks");
const pages = readdirSync(DIRECTORY).filter((file) => file !== "README.md");
const text = (file: string): string => readFileSync(path.join(DIRECTORY, file), "utf8");

describe("runbooks", () => {
  it("there is a page for everything that status finds, and the list names each", () => {
    assert.deepEqual(
      pages.sort(),
      RUNBOOKS.map((name) => `${name}.md`),
    );
    const index = text("README.md");
    for (const page of pages) assert.ok(index.includes(`(${page})`), `README.md does not name ${page}`);
  });

  it("every page says how it looks, how to see it, why, what to do, and when it is over", () => {
    for (const page of pages) {
      const headings = ["**Symptom.**", "**How to see it**", "**Cause.**", "**What to do**", "**Over when**"];
      const at = headings.map((heading) => text(page).indexOf(heading));
      assert.ok(
        at.every((index, n) => index > (at[n - 1] ?? 0)),
        `${page}: ${headings.filter((_, n) => (at[n] ?? -1) < 0).join(", ") || "the order"}`,
      );
    }
  });

  it("commands are for the stack that the page is read for: those to paste, and those of what to do", () => {
    for (const page of pages) {
      const content = text(page);
      const blocks = [...content.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].flatMap(([, block = ""]) => block.split("\n"));
      const steps = content
        .slice(content.indexOf("**What to do**"), content.indexOf("**Over when**"))
        .replaceAll(/^ *```sh[\s\S]*?^ *```/gm, "");
      const spans = [...steps.matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span);
      const changes = /npm run (?:up|restart|failover|backup|restore|down)\b|^pulumi (?:config|up|cancel|refresh|stack)\b/;
      const commands = [
        ...blocks.filter((line) => /npm run |pulumi (?:config|up|cancel|refresh|stack)\b/.test(line)),
        ...spans.filter((span) => changes.test(span)),
      ];
      for (const command of commands) assert.match(command, /--stack "\$STACK"/, page);
      for (const command of commands) assert.doesNotMatch(command, /npm run [a-z]+ (?!-- )\S/, page);
    }
  });

  it("links lead somewhere, npm scripts and services exist", () => {
    const { scripts } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> };
    const services: readonly string[] = [...Object.values(SERVICES), ...FINISHED_SERVICES];
    for (const page of [...pages, "README.md"]) {
      const content = text(page);
      for (const [, target = ""] of content.matchAll(/\]\(([^)#]+)\)/g))
        assert.ok([...pages, "README.md"].includes(target), `${page}: ${target}`);
      for (const [, script = ""] of content.matchAll(/npm run (?:-s )?([a-z:-]+)/g))
        assert.ok(script in scripts, `${page}: npm run ${script}`);
      for (const [, service = ""] of content.matchAll(/(?:\$\(of|^logs) ([a-z-]+)/gm))
        assert.ok(services.includes(service), `${page}: ${service}`);
    }
  });
});
