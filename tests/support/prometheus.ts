import assert from "node:assert/strict";

/** One series of an answer: its labels, and its value now. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A target as Prometheus sees it. */
export interface TargetHealth {
  readonly labels: { readonly job: string; readonly instance: string; readonly service?: string };
  readonly health: string;
  readonly lastError: string;
}

/** A rule as it is loaded, with what it raises now. */
export interface AlertRule {
  readonly name: string;
  readonly query: string;
  readonly health: string;
  readonly state: string;
  /** Those of the rule itself. */
  readonly labels: Readonly<Record<string, string>>;
  /** With the labels of what each is about as well. */
  readonly alerts: readonly { readonly state: "pending" | "firing"; readonly labels: Readonly<Record<string, string>> }[];
}

/** Prometheus' HTTP API, as much of it as tests ask. */
export class PrometheusClient {
  constructor(private readonly url: string) {}

  /** Series that an expression gives now. */
  async query(expression: string): Promise<Sample[]> {
    const { resultType, result } = await this.get<{ resultType: string; result: unknown }>(`query?query=${encodeURIComponent(expression)}`);
    if (resultType === "scalar") return [{ metric: {}, value: Number((result as [number, string])[1]) }];
    assert.equal(resultType, "vector", expression);
    return (result as { metric: Record<string, string>; value: [number, string] }[]).map(({ metric, value }) => ({
      metric,
      value: Number(value[1]),
    }));
  }

  async targets(): Promise<readonly TargetHealth[]> {
    return (await this.get<{ activeTargets: readonly TargetHealth[] }>("targets?state=active")).activeTargets;
  }

  /** Rules that raise alerts, as they are loaded. */
  async alertRules(): Promise<readonly AlertRule[]> {
    const { groups } = await this.get<{ groups: { rules: AlertRule[] }[] }>("rules?type=alert");
    return groups.flatMap(({ rules }) => rules);
  }

  private async get<Data>(path: string): Promise<Data> {
    const response = await fetch(`${this.url}/api/v1/${path}`);
    const answer = (await response.json()) as { status: string; data: Data; error?: string };
    assert.equal(answer.status, "success", `${path}: ${answer.error}`);
    return answer.data;
  }
}
