import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Request } from "express";
import { HttpProblem } from "../http/problem";
import type { RequestContext } from "../observability/context";
import type { Session } from "../session/session-store";
import { bucketsOf, userKey } from "./buckets";
import { limitHeader, policyHeader } from "./headers";
import { outcomeCounts } from "./metrics";
import type { LimitPolicy } from "./policies";
import { refusalProblem } from "./refusal";
import type { SampledLog } from "./sampled-log";
import type { BucketState, LimitStore } from "./types";

/** More than any limit holds: taking it back leaves nothing. */
const ALL = 1_000_000_000;

/** Hex digits of an address' hash: enough that no two accounts share a count by chance. */
const DIGITS = 32;

/** Whose wrong passwords are counted; made by {@link loginAccount} and {@link sessionAccount}. */
export type Account = `login:${string}` | `user:${string}`;

/**
 * The account of an e-mail address, which is one of all companies together, whether somebody has it or not. Hashed, because neither the
 * store nor the log is a place for addresses.
 * @param email as the login compares it: trimmed, in small letters.
 */
export function loginAccount(email: string): Account {
  return `login:${createHash("sha256").update(email).digest("hex").slice(0, DIGITS)}`;
}

/**
 * The account of whoever is logged in, for the passwords they are asked for once more. Not that of their address: failed logins of a
 * stranger must not keep them from changing their password, and who stole a session may not try passwords without end either.
 */
export function sessionAccount(user: Pick<Session, "companyId" | "userId">): Account {
  return `user:${userKey(user)}`;
}

/** Attempts of this process at one account that may still turn out well. */
class UnderWay {
  running = 0;
  /** Resolves when one of them has succeeded, or none is left. */
  decided!: Promise<void>;
  #resolve!: () => void;

  constructor() {
    this.#renew();
  }

  /** Lets go whoever waits now; the next ones wait for what is decided next. */
  decide(): void {
    const resolve = this.#resolve;
    this.#renew();
    resolve();
  }

  #renew(): void {
    this.decided = new Promise((resolve) => (this.#resolve = resolve));
  }
}

interface Admitted {
  /** That of an operator over the limit is not. */
  readonly isCounted: boolean;
  readonly underWay: UnderWay;
}

/**
 * Wrong passwords of one account, however many addresses they come from (feature D2, OWASP Authentication Cheat Sheet, "Account
 * Lockout"). An attempt is counted before its password is compared, so that of any number at the same time no more than the limit are,
 * and taken back when it was no wrong one; one that succeeds takes back all of them. An account that does not exist is counted and
 * refused the same, before the database is asked.
 *
 * The trade-off: as long as somebody goes on guessing, its owner cannot log in either, but for the attempts that come free (one in three
 * minutes by default), which either of them may get. No account stays locked: it ends with the attack, and the count begins anew when
 * somebody who is logged in changes the password, or when an admin of the company sets it or activates the user. Sessions are not touched.
 */
export class AccountLimit {
  readonly #underWay = new Map<Account, UnderWay>();

  /**
   * @param policy `undefined`: nothing is limited.
   * @param isOperator whether a request carries the operators' pass; it is counted, but not refused.
   */
  constructor(
    private readonly policy: LimitPolicy | undefined,
    private readonly store: LimitStore,
    private readonly log: SampledLog,
    private readonly isOperator: (request: IncomingMessage) => boolean,
  ) {}

  /**
   * Runs `check`, which compares a password of the account.
   * @throws HttpProblem `rate-limited` when there were too many wrong ones; else what `check` throws, of which only
   * `invalid-credentials` counts: a database that is away makes no password wrong.
   */
  async attempt<Result>(request: Request, account: Account, check: () => Promise<Result>): Promise<Result> {
    const { policy } = this;
    if (policy === undefined) return check();
    const { isCounted, underWay } = await this.#admit(request, policy, account);
    try {
      const result = await check();
      await this.clear(account);
      underWay.decide();
      return result;
    } catch (error) {
      if (isCounted && !isWrong(error)) await this.#takeBack(policy, [account], 1);
      throw error;
    } finally {
      this.#end(account, underWay);
    }
  }

  /** Forgets the wrong passwords of these accounts: who may set a password may also let its user in. */
  async clear(...accounts: Account[]): Promise<void> {
    if (this.policy !== undefined) await this.#takeBack(this.policy, accounts, ALL);
  }

  /** Lets an attempt in, which is under way from then on. @throws HttpProblem */
  async #admit(request: Request, policy: LimitPolicy, account: Account): Promise<Admitted> {
    for (;;) {
      const { states, store } = await this.store.consume(bucketsOf([policy], () => account));
      const [state] = states;
      const counts = outcomeCounts(policy.name, store);
      if (state === undefined || state.allowed || policy.dryRun) {
        counts.add(state?.allowed === false ? "would-limit" : "allowed");
        return { isCounted: true, underWay: this.#begin(account) };
      }
      if (this.isOperator(request)) {
        counts.add("bypassed");
        return { isCounted: false, underWay: this.#begin(account) };
      }
      // A program that logs in many times at once has given no wrong password: it waits for what becomes of those let in. Only of this
      // process, because those of others cannot be told from wrong ones; it may be refused where they took all there was.
      const others = this.#underWay.get(account);
      if (others !== undefined) {
        await others.decided;
        continue;
      }
      counts.add("limited");
      const { requestId } = request.context;
      this.log.warn(policy.name, { policy: policy.name, requestId, account }, "too many wrong passwords: logins of an account are refused");
      addHeaders(request.context, policy, state);
      throw refusalProblem(policy, state.retryMs);
    }
  }

  #begin(account: Account): UnderWay {
    let underWay = this.#underWay.get(account);
    if (underWay === undefined) this.#underWay.set(account, (underWay = new UnderWay()));
    underWay.running += 1;
    return underWay;
  }

  #end(account: Account, underWay: UnderWay): void {
    underWay.running -= 1;
    if (underWay.running > 0) return;
    this.#underWay.delete(account);
    underWay.decide();
  }

  async #takeBack(policy: LimitPolicy, accounts: readonly Account[], cost: number): Promise<void> {
    const buckets = accounts.flatMap((account) => bucketsOf([policy], () => account));
    await this.store.consume(buckets.map((bucket) => ({ ...bucket, cost: -cost, force: true })));
  }
}

function isWrong(error: unknown): boolean {
  return error instanceof HttpProblem && error.kind === "invalid-credentials";
}

/**
 * Behind what the address has left. Only refusals have it: what an account has left, told with every answer, would tell a stranger
 * when its owner mistypes or logs in.
 */
function addHeaders(context: RequestContext, policy: LimitPolicy, state: BucketState): void {
  const [, policies, , limits] = context.rateLimitHeaders ?? [];
  const joined = (before: string | undefined, own: string): string => (before === undefined ? own : `${before}, ${own}`);
  context.rateLimitHeaders = [
    ...["RateLimit-Policy", joined(policies, policyHeader([policy]))],
    ...["RateLimit", joined(limits, limitHeader([policy], [state]))],
  ];
}
