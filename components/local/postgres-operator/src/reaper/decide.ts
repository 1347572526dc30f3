/** What came of connecting to one port of the leader. */
export type Probe =
  /** Something accepted. */
  | "open"
  /** The machine is there and nothing listens. */
  | "refused"
  /** There is no such machine any more: no route to its address, or no such name. */
  | "gone"
  /** No answer in time: says nothing, a paused or overloaded machine looks the same. */
  | "timeout";

/** What one round found out. */
export interface Round {
  /** Who holds the lease, and which one it is; `undefined` while nobody does. */
  readonly leader: { readonly name: string; readonly lease: string } | undefined;
  /** Standbys commits wait for, by Patroni's `/sync` key; only of the leader that holds the lease. */
  readonly syncStandbys: readonly string[];
  /** How many of them Patroni has to see, beside the one that takes over, to be sure that one of them has every acknowledged write. */
  readonly quorum: number;
  /** Patroni was told to leave everything as it is. */
  readonly paused: boolean;
  /** Of the leader. */
  readonly postgres: Probe;
  readonly patroni: Probe;
  /** How many of {@link syncStandbys} accepted connections to Postgres and Patroni in this round. */
  readonly standbysAlive: number;
}

/** Rounds in a row in which the leader has to be dead. */
export const ROUNDS_TO_REAP = 3;

/** What is remembered from round to round. */
export interface Suspicion {
  readonly lease: string | undefined;
  readonly rounds: number;
}

export const NO_SUSPICION: Suspicion = { lease: undefined, rounds: 0 };

/** Whether both ports answer as only a dead server's do. A mere time-out never counts: a paused primary may wake up. */
function isDead({ postgres, patroni }: Round): boolean {
  const dead = (probe: Probe): boolean => probe === "refused" || probe === "gone";
  // Patroni alone may have died while Postgres serves on, and Patroni alone may be restarting Postgres.
  return dead(postgres) && dead(patroni);
}

/**
 * Decides whether the leader's lease is taken from it. Only when all of this holds three rounds in a row, for the same lease: both of its
 * ports are closed or it is gone; commits wait for standbys, so that the old primary, should it live on unseen, gets no acknowledgement any
 * more; so many of these can be reached from here that one of them may take over, so that it is not this process that is cut off; and nobody
 * has paused Patroni to do something by hand.
 */
export function decide(before: Suspicion, round: Round): { readonly suspicion: Suspicion; readonly reap: boolean } {
  const { leader, standbysAlive, quorum, paused } = round;
  if (paused || leader === undefined || !isDead(round) || standbysAlive < quorum + 1) {
    return { suspicion: NO_SUSPICION, reap: false };
  }
  const rounds = before.lease === leader.lease ? before.rounds + 1 : 1;
  return { suspicion: { lease: leader.lease, rounds }, reap: rounds >= ROUNDS_TO_REAP };
}
