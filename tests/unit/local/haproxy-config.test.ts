import assert from "node:assert/strict";
import fc from "fast-check";
import { COMMAND_PORT } from "../../../components/local/load-balancer/tls";
import {
  type HaproxySettings,
  INTERNAL_PORT,
  LOAD_BALANCER_PORT,
  renderHaproxyConfig,
} from "../../../components/local/load-balancer/haproxy-config";

const settings: HaproxySettings = {
  upstream: "app",
  slots: 150,
  apiLimit: { requestsPerSecond: 100, burst: 100 },
  chatLimit: { requestsPerSecond: 50, burst: 25 },
  maxBodyBytes: 10 * 1024 * 1024,
  maxConnections: 4096,
};

const SECTIONS = ["global", "defaults", "resolvers", "backend", "frontend"];

function section(config: string, header: string): string[] {
  const lines = config.split("\n");
  const start = lines.indexOf(header);
  assert.ok(start >= 0, `no section ${header}`);
  const end = lines.findIndex((line, index) => index > start && SECTIONS.some((word) => line.startsWith(word)));
  return lines.slice(start + 1, end < 0 ? undefined : end).map((line) => line.trim());
}

describe("haproxy.cfg", () => {
  const config = renderHaproxyConfig(settings);
  const publicLines = section(config, "frontend public");

  it("B1 finds instances through Docker's DNS and checks them twice a second", () => {
    const backend = section(config, "backend app");
    assert.match(backend.join("\n"), /^server-template app 1-150 app:3001 check inter 500ms .*fall 2 rise 1 /m);
    assert.ok(backend.includes("option httpchk GET /ready"));
    assert.match(backend.join("\n"), /default-server resolvers docker/);
    assert.ok(section(config, "resolvers docker").includes("nameserver embedded 127.0.0.11:53"));
  });

  it("F3 asks containers that are not ready only when there is no other", () => {
    const backend = section(config, "backend app");
    assert.ok(backend.includes("server-template spare 1-150 app-spare:3001 backup"));
    assert.ok(backend.includes("option allbackups"));
    const internal = section(config, "frontend internal");
    assert.ok(internal.includes("monitor fail unless is_ready"), "a backup makes nothing healthy");
    assert.equal(internal.filter((line) => /^acl is_ready srv_is_up\(app\/app\d+\)$/.test(line)).length, 150);
  });

  it("B1 limits clients: the burst within a second, the average over ten; chat by its own table", () => {
    const rules = publicLines.filter((line) => line.includes("limit_"));
    assert.deepEqual(rules, [
      "http-request track-sc0 src,ipmask(32,64) table limit_chat if is_chat !is_operator",
      "http-request deny status 429 default-errorfiles if is_chat !is_operator { sc0_gpc0_rate(limit_chat) ge 75 }",
      "http-request deny status 429 default-errorfiles if is_chat !is_operator { sc0_gpc1_rate(limit_chat) ge 525 }",
      "http-request track-sc0 src,ipmask(32,64) table limit_api if !is_chat !is_operator",
      "http-request deny status 429 default-errorfiles if !is_chat !is_operator { sc0_gpc0_rate(limit_api) ge 200 }",
      "http-request deny status 429 default-errorfiles if !is_chat !is_operator { sc0_gpc1_rate(limit_api) ge 1100 }",
    ]);
    const chat = publicLines.filter((line) => line.startsWith("acl is_chat "));
    assert.deepEqual(chat, ["acl is_chat path -i /api/chat", "acl is_chat path_beg -i /api/chat/"], "the app serves /API/Chat as well");
    const off = renderHaproxyConfig({ ...settings, apiLimit: { requestsPerSecond: 0, burst: 0 } });
    assert.ok(!section(off, "frontend public").some((line) => line.includes("limit_api")));
  });

  it("A4 who shows the token of the file is held against no limit and uses nobody's up", () => {
    assert.ok(publicLines.includes("acl is_operator req.hdr(X-Rate-Limit-Bypass) -m str -f /run/secrets/operator_token"));
    const rules = publicLines.filter((line) => /limit_|sc-inc/.test(line));
    assert.ok(rules.length >= 10 && rules.every((line) => line.includes("!is_operator")));
  });

  it("counts only what it granted: the denials stand before the counting", () => {
    const lastDeny = publicLines.findLastIndex((line) => line.includes("deny status 429 default-errorfiles if !is_chat !is_operator"));
    const count = publicLines.indexOf("http-request sc-inc-gpc0(0) if !is_chat !is_operator");
    assert.ok(lastDeny >= 0 && lastDeny < count);
  });

  it("sends again only what is safe to do twice", () => {
    const backend = section(config, "backend app");
    assert.ok(backend.includes("retry-on conn-failure empty-response"));
    assert.ok(publicLines.includes("http-request disable-l7-retry unless METH_GET or { method OPTIONS }"));
  });

  it("A13 keeps metrics and statistics on a port of their own and answers 404 for them outside", () => {
    assert.ok(section(config, "frontend internal").includes(`bind :${INTERNAL_PORT}`));
    assert.ok(publicLines.includes(`bind :${LOAD_BALANCER_PORT}`));
    assert.ok(!publicLines.some((line) => line.startsWith("stats") || line.includes("prometheus")));
    assert.ok(publicLines.some((line) => line.includes("return status 404") && line.endsWith("if path_metrics")));
  });

  it("sets what the app believes about the client, whatever the client sent", () => {
    assert.ok(publicLines.includes("http-request set-header X-Forwarded-For %[src]"));
    assert.ok(publicLines.includes("http-request del-header Forwarded"));
  });

  it("promises no HTTPS where there is none", () => {
    const lines = config.split("\n").filter((line) => line.includes("Strict-Transport-Security"));
    assert.deepEqual(
      lines.map((line) => line.trim()),
      ["http-after-response del-header Strict-Transport-Security"],
    );
  });

  it("B1 with TLS: 1.2 and newer, HTTP/2, HSTS, and the app knows", () => {
    const secured = renderHaproxyConfig({ ...settings, tls: { pemPath: "/run/secrets/tls.pem" } });
    const lines = section(secured, "frontend public");
    assert.ok(lines.includes("bind :8443 ssl crt /run/secrets/tls.pem alpn h2,http/1.1"));
    assert.ok(lines.includes("http-request set-header X-Forwarded-Proto https"));
    assert.ok(lines.some((line) => line.startsWith("http-after-response set-header Strict-Transport-Security max-age=31536000")));
    assert.match(section(secured, "global").join("\n"), /ssl-default-bind-options ssl-min-ver TLSv1\.2 /);
    // Only the internal port speaks plain HTTP then.
    assert.deepEqual(
      secured.split("\n").filter((line) => line.startsWith("    bind") && !line.includes("ssl")),
      [`    bind :${INTERNAL_PORT}`],
    );
    assert.ok(secured.includes(`stats socket ipv4@127.0.0.1:${COMMAND_PORT} level admin`));
    assert.ok(!config.includes("stats socket"), "without TLS nothing listens for commands");
  });

  it("B1 redirects plain HTTP on a port of its own, if there is one, and serves nothing there", () => {
    const redirect = (redirectTo: number): string =>
      section(renderHaproxyConfig({ ...settings, tls: { pemPath: "/run/secrets/tls.pem", redirectTo } }), "frontend redirect").join("\n");
    assert.ok(redirect(3443).includes("http-request redirect code 308 location https://%[req.hdr(Host),regsub(:[0-9]+$,)]:3443%[pathq]"));
    assert.ok(redirect(443).includes("location https://%[req.hdr(Host),regsub(:[0-9]+$,)]%[pathq]"));
    assert.ok(!redirect(443).includes("backend"));
  });

  it("whatever the settings, numbers appear where they belong and braces, quotes and sections are whole", () => {
    const rate = fc.record({ requestsPerSecond: fc.nat(1_000_000), burst: fc.nat(1_000_000) });
    const any = fc.record({
      upstream: fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/),
      slots: fc.integer({ min: 1, max: 300 }),
      apiLimit: rate,
      chatLimit: rate,
      maxBodyBytes: fc.integer({ min: 1, max: 2 ** 40 }),
      maxConnections: fc.integer({ min: 1, max: 100_000 }),
      tls: fc.option(
        fc.record({
          pemPath: fc.constant("/run/secrets/tls.pem"),
          redirectTo: fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined }),
        }),
        { nil: undefined },
      ),
    });
    fc.assert(
      fc.property(any, (given) => {
        const rendered = renderHaproxyConfig(given);
        assert.equal(rendered, renderHaproxyConfig(given));
        assert.ok(!/\b(undefined|NaN|null)\b|\[object/.test(rendered));
        for (const line of rendered.split("\n").filter((text) => text.startsWith("    ") && !text.trim().startsWith("#"))) {
          for (const [open, close] of ["{}", "[]", "()"]) {
            const count = (character: string | undefined): number => line.split(character ?? "").length - 1;
            assert.equal(count(open), count(close), line);
          }
          assert.equal(line.split("'").length % 2, 1, line);
        }
        assert.ok(rendered.includes(`server-template app 1-${given.slots} ${given.upstream}:3001 check `));
        assert.ok(rendered.includes(`maxconn ${given.maxConnections}\n`));
        assert.equal(rendered.includes("table limit_api"), given.apiLimit.requestsPerSecond > 0);
        assert.ok(rendered.endsWith("\n"));
      }),
    );
  });

  it("refuses what cannot be a number or a name there", () => {
    const bad: Partial<HaproxySettings>[] = [
      { slots: 0 },
      { slots: 1.5 },
      { maxBodyBytes: -1 },
      { maxConnections: Number.NaN },
      { apiLimit: { requestsPerSecond: -1, burst: 0 } },
      { chatLimit: { requestsPerSecond: 1, burst: 0.5 } },
      { upstream: "app\n    bind :80" },
      { upstream: "" },
      { tls: { pemPath: "/run/tls.pem no-alpn" } },
      { tls: { pemPath: "/run/tls.pem", redirectTo: 0 } },
    ];
    for (const change of bad) assert.throws(() => renderHaproxyConfig({ ...settings, ...change }), RangeError, JSON.stringify(change));
  });
});
