import assert from "node:assert/strict";
import fc from "fast-check";
import { parse } from "yaml";
import { renderAlertmanagerConfig } from "../../../components/local/alertmanager";
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
  interface Config {
    readonly route: { readonly receiver: string; readonly group_by: readonly string[] };
    readonly receivers: readonly { readonly name: string; readonly webhook_configs?: readonly object[] }[];
  }
  const config = (webhook: boolean): Config => parse(renderAlertmanagerConfig({ webhook })) as Config;

  it("tells the webhook, whose address is a file, also when an alert is over", () => {
    const { route, receivers } = config(true);
    assert.deepEqual(receivers, [
      { name: route.receiver, webhook_configs: [{ url_file: "/run/secrets/webhook_url", send_resolved: true }] },
    ]);
  });

  it("without one nobody is told", () => {
    const { route, receivers } = config(false);
    assert.deepEqual(receivers, [{ name: route.receiver }]);
  });
});
