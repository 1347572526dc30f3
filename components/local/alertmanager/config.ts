import { stringify } from "yaml";

/** Port inside the container. */
export const ALERTMANAGER_PORT = 9093;

/** Directory of silences and of what was told already: a volume. */
export const ALERTMANAGER_DATA_DIRECTORY = "/alertmanager";

/** Where the webhook's address is expected; it may have a token in it. */
export const WEBHOOK_URL_PATH = "/run/secrets/webhook_url";

/** Where the heartbeat's address is expected; it has a token in it. */
export const HEARTBEAT_URL_PATH = "/run/secrets/heartbeat_url";

/** The alert that always fires (`rules/host.yml` of Prometheus): its way is the heartbeat's, and no person is told of it. */
export const WATCHDOG_ALERT = "Watchdog";

/** Name of the heartbeat's receiver, which is also the label `receiver_name` of what could not be handed over to it. */
export const HEARTBEAT_RECEIVER = "heartbeat";

/** Seconds between two calls of the heartbeat's address. One without an answer, or with 5xx, is tried again until the next is due. */
export const HEARTBEAT_SECONDS = 60;

const NOBODY = "nobody";

const defaults = {
  /** A call that hangs gives way to another try; services of heartbeats answer within tenths of a second. */
  heartbeatTimeoutSeconds: 10,
} as const;

/** What the rendered configuration depends on. */
export interface AlertmanagerSettings {
  /** Whether there is an address at {@link WEBHOOK_URL_PATH}; without one alerts are shown and nobody is told. */
  readonly webhook: boolean;
  /** Whether there is one at {@link HEARTBEAT_URL_PATH}; without one nobody notices when the host, Prometheus or Alertmanager is gone. */
  readonly heartbeat: boolean;
}

/**
 * `alertmanager.yml` (Alertmanager 0.28). Alerts of one kind are one message; a service that is down silences what follows from it, so that
 * whoever is woken reads the cause.
 */
export function renderAlertmanagerConfig({ webhook, heartbeat }: AlertmanagerSettings): string {
  const receiver = webhook ? "webhook" : NOBODY;
  const hook = { url_file: WEBHOOK_URL_PATH, send_resolved: true };
  return stringify({
    route: {
      receiver,
      group_by: ["alertname", "service"],
      // What belongs together comes within one evaluation of the rules or two.
      group_wait: "15s",
      group_interval: "1m",
      repeat_interval: "4h",
      routes: [heartbeatRoute(heartbeat)],
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
    receivers: [
      ...(webhook ? [{ name: receiver, webhook_configs: [hook] }] : []),
      ...(heartbeat ? [{ name: HEARTBEAT_RECEIVER, webhook_configs: [heartbeatHook()] }] : []),
      ...(webhook && heartbeat ? [] : [{ name: NOBODY }]),
    ],
  });
}

/** The way of the alert that always fires, which ends here: it never gets to the route of all others. */
function heartbeatRoute(heartbeat: boolean): object {
  const matchers = [`alertname = ${WATCHDOG_ALERT}`];
  if (!heartbeat) return { matchers, receiver: NOBODY };
  return {
    matchers,
    receiver: HEARTBEAT_RECEIVER,
    group_wait: "0s",
    // Alertmanager looks at a group every group_interval, and repeats what was told longer than repeat_interval ago. Were both alike, what was told
    // a moment after the last look would be too young at the next one, and every second call left out (prometheus/alertmanager#676). Half of it leaves
    // room for calls that take long. The warning about it in Alertmanager's log is meant for other uses (#3370).
    group_interval: `${HEARTBEAT_SECONDS}s`,
    repeat_interval: `${HEARTBEAT_SECONDS / 2}s`,
  };
}

/** That the alert is over means that Prometheus is gone: told, it would be one call more, which says the opposite. */
function heartbeatHook(): object {
  return { url_file: HEARTBEAT_URL_PATH, send_resolved: false, timeout: `${defaults.heartbeatTimeoutSeconds}s` };
}
