import { stringify } from "yaml";

/** Port inside the container. */
export const ALERTMANAGER_PORT = 9093;

/** Directory of silences and of what was told already: a volume. */
export const ALERTMANAGER_DATA_DIRECTORY = "/alertmanager";

/** Where the webhook's address is expected; it may have a token in it. */
export const WEBHOOK_URL_PATH = "/run/secrets/webhook_url";

/** What the rendered configuration depends on. */
export interface AlertmanagerSettings {
  /** Whether there is an address at {@link WEBHOOK_URL_PATH}; without one alerts are shown and nobody is told. */
  readonly webhook: boolean;
}

/**
 * `alertmanager.yml` (Alertmanager 0.28). Alerts of one kind are one message; a service that is down silences what follows from it, so that
 * whoever is woken reads the cause.
 */
export function renderAlertmanagerConfig({ webhook }: AlertmanagerSettings): string {
  const receiver = webhook ? "webhook" : "nobody";
  const hook = { url_file: WEBHOOK_URL_PATH, send_resolved: true };
  return stringify({
    route: {
      receiver,
      group_by: ["alertname", "service"],
      // What belongs together comes within one evaluation of the rules or two.
      group_wait: "15s",
      group_interval: "1m",
      repeat_interval: "4h",
    },
    inhibit_rules: [
      {
        source_matchers: ["severity = critical"],
        target_matchers: ["severity = warning"],
        equal: ["alertname", "service", "instance"],
      },
      // Without a primary nothing else about Postgres is news.
      {
        source_matchers: ["alertname = PostgresNoPrimary"],
        target_matchers: ["alertname =~ PostgresNoSyncStandby|PostgresReplicaLag|PgbouncerClientsWaiting|PoolNearlyUsedUp"],
      },
    ],
    receivers: [webhook ? { name: receiver, webhook_configs: [hook] } : { name: receiver }],
  });
}
