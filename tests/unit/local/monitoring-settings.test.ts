import assert from "node:assert/strict";
import fc from "fast-check";
import { parse } from "yaml";
import { HEARTBEAT_SECONDS, renderAlertmanagerConfig } from "../../../components/local/alertmanager";
import {
  EXPORTER_PORTS,
  type Exporter,
  exporterCommand,
  renderPasswordFile,
  renderPostgresExporterConfig,
} from "../../../components/local/exporters";

const SECRETS = "/run/secrets";

describe("A13 settings of the exporters", () => {
  it("each listens on its port, and none is told a secret by its command line", () => {
    for (const [exporter, port] of Object.entries(EXPORTER_PORTS)) {
      const { arguments: given } = exporterCommand(exporter as Exporter, SECRETS, "pgbouncer:6432");
      assert.ok(given.includes(`--web.listen-address=:${port}`), exporter);
    }
    const { arguments: pgbouncer } = exporterCommand("pgbouncer-exporter", SECRETS, "pgbouncer:6432");
    assert.ok(pgbouncer.includes("--pgBouncer.connectionString=postgres://monitor@pgbouncer:6432/pgbouncer?sslmode=disable"));
    const { arguments: postgres } = exporterCommand("postgres-exporter", SECRETS, "pgbouncer:6432");
    assert.ok(postgres.includes("--config.file=/run/secrets/postgres-exporter.yml"));
  });

  it("whatever the password, the exporter of Postgres reads it as it is (property)", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (password) => {
        const config = parse(renderPostgresExporterConfig(password)) as {
          auth_modules: { monitor: { userpass: { username: string; password: string } } };
        };
        assert.deepEqual(config.auth_modules.monitor.userpass, { username: "monitor", password });
      }),
    );
  });

  it("no look at Postgres waits for longer than Prometheus does: connections that nobody listens to any more would add up", () => {
    const config = parse(renderPostgresExporterConfig("secret")) as { auth_modules: { monitor: { options: Record<string, string> } } };
    const { connect_timeout: connecting, statement_timeout: statement } = config.auth_modules.monitor.options;
    assert.ok(Number(connecting) > 0 && Number(connecting) < 10, connecting);
    assert.ok(Number(statement) > 0 && Number(statement) < 10_000, statement);
  });

  it("whatever the password, libpq's file has it in its last field (property)", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }).filter((text) => !/[\r\n\0]/.test(text)),
        (password) => {
          const line = renderPasswordFile(password);
          const fields = line.slice(0, -1).match(/(?:\\.|[^:\\])+/gu) ?? [];
          assert.deepEqual(fields.slice(0, 4), ["*", "*", "*", "monitor"]);
          assert.equal(fields[4]?.replace(/\\(.)/gu, "$1"), password);
        },
      ),
    );
    assert.throws(() => renderPasswordFile("a\nb"), /must be of one line/);
  });
});

describe("B8 configuration of Alertmanager", () => {
  interface Route {
    readonly receiver: string;
    readonly matchers: readonly string[];
    readonly group_wait?: string;
    readonly group_interval?: string;
    readonly repeat_interval?: string;
    readonly continue?: boolean;
  }
  interface Config {
    readonly route: { readonly receiver: string; readonly group_by: readonly string[]; readonly routes: readonly Route[] };
    readonly receivers: readonly { readonly name: string; readonly webhook_configs?: readonly object[] }[];
  }
  const config = (webhook: boolean, heartbeat: boolean): Config => parse(renderAlertmanagerConfig({ webhook, heartbeat })) as Config;
  const WEBHOOK = { name: "webhook", webhook_configs: [{ url_file: "/run/secrets/webhook_url", send_resolved: true }] };
  const HEARTBEAT = {
    name: "heartbeat",
    webhook_configs: [{ url_file: "/run/secrets/heartbeat_url", send_resolved: false, timeout: "10s" }],
  };
  const NOBODY = { name: "nobody" };

  it("tells the webhook, whose address is a file, also when an alert is over; without one nobody is told", () => {
    for (const heartbeat of [true, false]) {
      assert.equal(config(true, heartbeat).route.receiver, "webhook");
      assert.equal(config(false, heartbeat).route.receiver, "nobody");
    }
    assert.deepEqual(config(true, true).receivers, [WEBHOOK, HEARTBEAT]);
    assert.deepEqual(config(true, false).receivers, [WEBHOOK, NOBODY]);
    assert.deepEqual(config(false, true).receivers, [HEARTBEAT, NOBODY]);
    assert.deepEqual(config(false, false).receivers, [NOBODY]);
  });

  it("the alert that always fires goes to the heartbeat or to nobody, and never on to people", () => {
    for (const webhook of [true, false]) {
      const [route, ...others] = config(webhook, true).route.routes;
      assert.deepEqual([route?.matchers, route?.receiver, route?.continue, others], [["alertname = Watchdog"], "heartbeat", undefined, []]);
      assert.deepEqual(config(webhook, false).route.routes, [{ matchers: ["alertname = Watchdog"], receiver: "nobody" }]);
    }
  });

  it("calls the heartbeat each minute: what is repeated only after as long would be left out every second time", () => {
    const seconds = (text = ""): number => Number(/^(\d+)s$/.exec(text)?.[1]);
    const [route] = config(true, true).route.routes;
    assert.equal(seconds(route?.group_wait), 0);
    assert.equal(seconds(route?.group_interval), HEARTBEAT_SECONDS);
    const repeat = seconds(route?.repeat_interval);
    assert.ok(repeat > 0 && repeat < HEARTBEAT_SECONDS, `${repeat} s`);
  });
});
