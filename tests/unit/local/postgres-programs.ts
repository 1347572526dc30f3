import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const PROGRAMS = path.resolve(__dirname, "../../../components/local/postgres");

/** Whether this machine has Python: the programs run in the image, which has it. */
export function hasPython(): boolean {
  return spawnSync("python3", ["--version"]).status === 0;
}

/** A value as a Python expression. */
export const python = (value: unknown): string => `json.loads(${JSON.stringify(JSON.stringify(value))})`;

/** The programs of a node of Postgres, in a directory of its own with other programs in front of the machine's. */
export class PostgresPrograms {
  readonly directory: string = mkdtempSync(path.join(tmpdir(), "phased-postgres-"));

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Value of an expression in them, by way of JSON. @param before lines that run first */
  evaluate(expression: string, before = ""): unknown {
    const code = `import json, backups, log_archive, node, repository, restore\n${before}\nprint(json.dumps(${expression}))`;
    const { status, stdout, stderr } = spawnSync("python3", ["-c", code], {
      encoding: "utf8",
      env: {
        PATH: `${this.directory}:${process.env["PATH"]}`,
        PGDATA: path.join(this.directory, "data/node"),
        PATRONI_CONFIG: path.join(this.directory, "patroni.yml"),
        PYTHONPATH: PROGRAMS,
        PYTHONDONTWRITEBYTECODE: "1",
        PATRONI_NAME: "pg-1",
      },
    });
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout);
  }

  /** A program of the test's own, by its shell script. */
  program(name: string, script: string): void {
    writeFileSync(path.join(this.directory, name), `#!/bin/sh\n${script}\n`);
    chmodSync(path.join(this.directory, name), 0o755);
  }

  /** A pgbackrest that answers by the last word of its command, or the two last. */
  pgbackrest(answers: Readonly<Record<string, string>>, exitCode = 0): void {
    const cases = Object.entries(answers).map(([words, text]) => `  *"${words}") cat <<'END'\n${text}\nEND\n  ;;`);
    const other = `  *) echo "ERROR: [055]: nothing like $*" >&2; exit 55;;`;
    this.program("pgbackrest", `case "$*" in\n${cases.join("\n")}\n${other}\nesac\nexit ${exitCode}`);
  }
}
