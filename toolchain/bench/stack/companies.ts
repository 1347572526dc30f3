import { stopIfInterrupted } from "../../lib/interrupt";
import { signUp } from "../app/people";
import type { StackRig } from "./rig";

/** Companies that requests of many users are spread over: a single one meets its own limits, and its own rows, first. */
const COMPANIES = 20;

/** Orders in the list that is asked for. */
export const LISTED = 20;

/** A company with orders, one of which is asked for. */
export interface Company {
  readonly headers: Readonly<Record<string, string>>;
  readonly order: string;
}

/** Signs companies up and gives each a page of orders. */
export async function prepareCompanies(rig: StackRig, say: (text: string) => void): Promise<Company[]> {
  say(`signing ${COMPANIES} companies up`);
  const companies: Company[] = [];
  for (let n = 0; n < COMPANIES; n += 1) {
    stopIfInterrupted();
    companies.push(await prepareCompany(rig));
  }
  return companies;
}

/**
 * The company of the n-th request, n from 0. The kinds of requests repeat every ten, so each ten begin one company later: else a company
 * would only ever be asked the same.
 */
export function companyOf<Of>(companies: readonly Of[], n: number): Of {
  const company = companies[(n + Math.floor(n / 10)) % companies.length];
  if (company === undefined) throw new Error("There is no company to ask.");
  return company;
}

async function prepareCompany(rig: StackRig): Promise<Company> {
  const headers = await signUp(rig.loadBalancerUrl);
  let order = "";
  for (let n = 0; n < LISTED; n += 1) {
    const answer = await fetch(`${rig.loadBalancerUrl}/api/orders`, {
      method: "POST",
      headers: { ...headers, "Content-Type": "application/json" },
      body: JSON.stringify({ customerName: `Customer ${n}`, totalCents: 1000 + n }),
    });
    if (!answer.ok) throw new Error(`creating an order was answered with HTTP ${answer.status}`);
    order = ((await answer.json()) as { id: string }).id;
  }
  return { headers, order };
}
