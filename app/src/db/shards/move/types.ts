import type { MoveSession } from "./session";

/** Where a move is. */
export interface MoveProgress {
  readonly step:
    "copying" | "catching up" | "waiting" | "comparing" | "holding" | "waiting for readers" | "deleting" | "waiting for replicas";
  readonly table?: string;
  /** Rows so far, and about how many there are. */
  readonly rows?: number;
  readonly of?: number;
}

/** How a company is moved. */
export interface MoveOptions {
  readonly companyId: string;
  /** Stops between two batches; not any more once the company has its new place. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: MoveProgress) => void;
  /** How far behind a replica of the new database may be that is read, ms; 0 without replicas. @default 0 */
  readonly replicaLagMs?: number;
  /** Most rows of one batch. @default 1000 */
  readonly batchRows?: number;
}

/** The databases of a move. `first` may be the same as one of the others, over a connection of its own. */
export interface MoveSessions {
  /** The one with the directory. */
  readonly first: MoveSession;
  readonly source: MoveSession;
  /** A second connection to the source, which keeps the company's lock while the first one reads. */
  readonly holder: MoveSession;
  readonly target: MoveSession;
}

/** What a move did. */
export interface MoveResult {
  readonly rows: number;
  readonly resumed: boolean;
  /** How long writes of the company were held, ms; 0 when a former run had given it its place. */
  readonly heldMs: number;
  readonly seconds: number;
}

/** Stopped by a signal. */
export class MoveStopped extends Error {
  override readonly name = "MoveStopped";
  constructor() {
    super("stopped; the company is where it was, and the same command goes on from what was copied");
  }
}
