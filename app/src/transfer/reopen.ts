import { randomUUID } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import type { Authorities } from "../db/tls";
import { differences } from "./differences";
import { TransferError } from "./failure";
import { HeldPostgres } from "./held-postgres";
import { connected } from "./postgres-store";
import { HeldSqliteReader } from "./sqlite-store";
import * as state from "./state";
import type { Reader } from "./store";
import { CARRIED_TABLES, LEFT_TABLES } from "./tables";
import type { TransferOptions, TransferResult } from "./transfer";

type Options = Pick<TransferOptions, "signal" | "onProgress">;

/** What a file says of the side its rows came back from, when nobody asked that side. */
const GIVEN_UP = "postgres: given up, not asked";

/** What to do where Postgres and the file are not the same. */
const GIVE_UP =
  "Go on with Postgres: repair what the update failed of, and npm run up. To leave behind what was written to Postgres since the move, and only " +
  "when nothing runs on it any more: --give-up-postgres instead of --unless-written";

/**
 * The short way back: a sealed file with exactly the rows that Postgres has is written again, where it is and by whoever has it open.
 * @param source held, so that nobody writes to it
 * @param options.run of this opening, kept in the file
 * @param options.beforeOpen when all rows were compared: the last moment at which the other side may still be the one that is written
 * @returns `undefined` when the file is not sealed, or Postgres has other rows than the file.
 */
export async function reopenIfSame(
  file: string,
  source: Reader,
  options: Options & { readonly run: string; readonly beforeOpen: () => Promise<void> },
): Promise<TransferResult | undefined> {
  if (!existsSync(file) || statSync(file).size === 0) return undefined;
  const started = performance.now();
  const held = new HeldSqliteReader(file);
  try {
    if (!held.hasMoved || (await differences(held, source, options)).length > 0) return undefined;
    const tables = await counted(held);
    const [epoch, last] = [await source.epoch(), await counters(source)];
    await options.beforeOpen();
    held.takeSealOff(source.name, options.run, epoch, last);
    return {
      ...{ from: source.name, to: held.name, outcome: "already", resumed: false, rows: tables.reduce((sum, { rows }) => sum + rows, 0) },
      ...{ seconds: Math.round(performance.now() - started) / 1000, rowsPerSecond: 0, tables, left: LEFT_TABLES },
    };
  } finally {
    await held.close();
  }
}

/**
 * Takes a move to Postgres back: the file is written again, and the copy in Postgres, which has exactly the same rows, is deleted, so that whoever
 * still runs on Postgres finds nobody to write for, and so that the next move begins anew.
 * @returns number of rows that both sides had.
 * @throws TransferError when Postgres has other rows, or cannot be asked; nothing was changed then.
 */
export async function takeBack(
  file: string,
  postgres: { url: string; authorities?: Authorities | undefined },
  options: Options,
): Promise<number> {
  const held = new HeldSqliteReader(file);
  try {
    const copy = await PostgresCopy.open(postgres.url, postgres.authorities);
    try {
      if ((await copy.state()) === undefined) {
        throw new TransferError(
          `no rows of ${held.name} were ever moved to ${copy.name}`,
          "Name the Postgres that has them; where that is lost: --give-up-postgres instead of --unless-written",
        );
      }
      await copy.hold(["data_transfer"]);
      const different = await differences(held, copy, options);
      if (different.length > 0) {
        const why = held.hasMoved ? "they were written there since the move" : `and ${held.name} is not sealed: the app writes to it`;
        throw new TransferError(
          `${copy.name} has other rows than ${held.name}: ${different.join(", ")}; ${why}; nothing was changed`,
          GIVE_UP,
        );
      }
      const rows = (await counted(held)).reduce((sum, table) => sum + table.rows, 0);
      const last = await counters(copy);
      await copy.empty();
      // Before the last word of Postgres: whatever ends this here leaves rows on both sides, which is noticed, and never on none.
      if (held.hasMoved) held.takeSealOff(copy.name, randomUUID(), await copy.epoch(), last);
      await copy.commit();
      return rows;
    } finally {
      await copy.close();
    }
  } finally {
    await held.close();
  }
}

/** Takes the seal off without asking Postgres. @throws TransferError when there is none. */
export async function openUnasked(file: string): Promise<void> {
  const held = new HeldSqliteReader(file);
  try {
    if (!held.hasMoved) throw new TransferError(`${held.name} is not sealed: the app writes to it, and there is nothing to do`);
    held.takeSealOff(GIVEN_UP, randomUUID(), await held.epoch(), []);
  } finally {
    await held.close();
  }
}

async function counted(side: Reader): Promise<{ readonly table: string; readonly rows: number }[]> {
  const tables: { readonly table: string; readonly rows: number }[] = [];
  for (const table of CARRIED_TABLES) tables.push({ table, rows: await side.count(table) });
  return tables;
}

async function counters(side: Reader): Promise<{ readonly table: string; readonly last: string }[]> {
  const found: { readonly table: string; readonly last: string }[] = [];
  for (const name of CARRIED_TABLES) {
    const last = await side.counter(await side.describe(name));
    if (last !== undefined) found.push({ table: name, last });
  }
  return found;
}

/** The rows that a move put into Postgres, in one transaction that ends with {@link commit}, or with the connection and without any change. */
class PostgresCopy extends HeldPostgres {
  static override async open(url: string, authorities?: Authorities): Promise<PostgresCopy> {
    return new PostgresCopy(...(await connected(url, authorities)));
  }

  /** As a move that has begun and copied nothing. */
  async empty(): Promise<void> {
    await this.script(`TRUNCATE ${CARRIED_TABLES.join(", ")}`);
    await this.script(state.FORGET_TABLES);
    const finishedAt = (await this.state())?.finishedAt ?? null;
    await this.run(state.TAKE_OVER, ["", "taken back", new Date().toISOString(), finishedAt]);
  }

  async commit(): Promise<void> {
    await this.script("COMMIT");
  }
}
