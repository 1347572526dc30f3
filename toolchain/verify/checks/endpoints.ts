import { APP_PORT } from "../../../components/contract";
import { execIn } from "../../lib/docker";
import { missingPaths } from "../evaluate";
import { fail, pass, verdict, type Check } from "../types";

/** Fields that feature C6 lists for `/health`. */
const HEALTH_FIELDS = [
  "status",
  "version",
  "worker",
  "uptime",
  "phase",
  "cache.size",
  "cache.maxSize",
  "cache.enabled",
  "scaling.compression",
  "scaling.rateLimiting",
  "scaling.clustering",
  "database",
];

/** The endpoints of feature A6, below `/api/health/`, and what they are for. */
const HEALTH_ENDPOINTS: Readonly<Record<string, readonly string[]>> = {
  full: [
    "status",
    "components.database.status",
    "components.memory.status",
    "components.eventLoop.status",
    "components.cluster.workers",
    "thresholds",
  ],
  metrics: ["requests"],
  queue: ["enabled", "depth", "status"],
  scaling: ["phase", "workers.wanted", "workers.ready", "recommendation.action", "thresholds"],
};
const HEALTH_NAMES = Object.keys(HEALTH_ENDPOINTS);

/** A1, A6, C6: the stack answers with what it promises, and only with that. */
export const endpointChecks: readonly Check[] = [
  {
    id: "A1",
    title: "the app detects its phase",
    target: "phase of the stack",
    byUrl: true,
    async run({ http, expected }) {
      const { phase } = (await http.ask("/health")).json();
      return phase === expected.phase
        ? pass(expected.phase)
        : fail(`/health says ${JSON.stringify(phase)}, the stack is ${expected.phase}`);
    },
  },
  {
    id: "C6",
    title: "/health with all its fields",
    target: `200, ${HEALTH_FIELDS.length} fields`,
    byUrl: true,
    async run({ http }) {
      const answer = await http.ask("/health");
      const violations = answer.status === 200 ? [] : [`status ${answer.status}`];
      const missing = missingPaths(answer.json(), HEALTH_FIELDS).map((path) => `no field ${path}`);
      return verdict([...violations, ...missing], `200, ${HEALTH_FIELDS.length} fields, version ${String(answer.json()["version"])}`);
    },
  },
  {
    id: "A6",
    title: `/api/health/ ${HEALTH_NAMES.join(", ")}`,
    target: "200 with their fields",
    byUrl: true,
    async run({ http }) {
      const violations: string[] = [];
      for (const [name, fields] of Object.entries(HEALTH_ENDPOINTS)) {
        const answer = await http.ask(`/api/health/${name}`);
        if (answer.status !== 200) violations.push(`${name}: status ${answer.status}`);
        else violations.push(...missingPaths(answer.json(), fields).map((path) => `${name}: no field ${path}`));
      }
      return verdict(violations, `${HEALTH_NAMES.length} of ${HEALTH_NAMES.length}`);
    },
  },
  {
    id: "E7",
    title: "the operators' console",
    target: "the page with its files; figures for the admin token only",
    byUrl: true,
    async run({ http, adminToken }) {
      const page = await http.ask("/console");
      if (page.status !== 200) return fail(`/console: status ${page.status}`);
      const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name = ""]) => `/${name}`);
      const wrong: string[] = [];
      for (const file of files) {
        const { status } = await http.ask(file);
        if (status !== 200) wrong.push(`${file}: status ${status}`);
      }
      const stranger = await http.ask("/api/admin/console");
      if (stranger.status !== 401) wrong.push(`figures without a token: status ${stranger.status}`);
      if (adminToken === "") return verdict(wrong, `200 with ${files.length} files; 401 without the token, which was not tried`);
      const operator = await http.ask("/api/admin/console", { headers: { authorization: `Bearer ${adminToken}` } });
      if (operator.status !== 200) wrong.push(`figures: status ${operator.status}`);
      else wrong.push(...missingPaths(operator.json(), ["requests.total", "workers", "queues"]).map((path) => `figures: no field ${path}`));
      return verdict(wrong, `200 with ${files.length} files; 401 without the token`);
    },
  },
  {
    id: "A6",
    title: "the app's port",
    target: String(APP_PORT),
    async run({ apps }) {
      const ports = await Promise.all((await apps()).map(async (app) => Object.keys((await app.inspect()).Config.ExposedPorts)));
      const wrong = ports.filter((exposed) => !exposed.includes(`${APP_PORT}/tcp`));
      return wrong.length === 0 && ports.length > 0
        ? pass(`${APP_PORT} in ${ports.length} of ${ports.length} instances`)
        : fail(`${wrong.length} of ${ports.length} instances do not listen on it`);
    },
  },
  {
    id: "A6",
    title: "readiness",
    target: "200 on /ready",
    byUrl: true,
    async run({ http }) {
      const { status } = await http.ask("/ready");
      return status === 200 ? pass("200") : fail(`status ${status}`);
    },
  },
  {
    id: "C6",
    title: "/metrics inside the network",
    target: "Prometheus text of all workers",
    async run({ apps }) {
      const script = `fetch("http://127.0.0.1:${APP_PORT}/metrics").then(async (r) => { console.log(r.status); console.log(await r.text()); })`;
      const violations: string[] = [];
      let series = 0;
      for (const app of await apps()) {
        const { stdout } = await execIn(app, ["node", "-e", script]);
        const [status, ...lines] = stdout.split("\n");
        if (status !== "200") violations.push(`status ${status ?? ""}`);
        if (!lines.some((line) => line.startsWith("# HELP "))) violations.push("no Prometheus text");
        series = lines.filter((line) => line !== "" && !line.startsWith("#")).length;
      }
      return verdict(violations, `${series} series an instance`);
    },
  },
  {
    id: "C6",
    title: "/metrics is not public",
    target: "refused in every spelling",
    byUrl: true,
    async run({ http, expected }) {
      // In the cloud no balancer of ours stands in front, and the app itself asks for the admin token.
      const refusals = expected.phase === "cloud" ? [401, 403, 404] : [404];
      const violations: string[] = [];
      const spellings = ["/metrics", "/metrics/", "//metrics", "/%6detrics", "/METRICS", "/metrics?x=1"];
      for (const path of spellings) {
        const { status, text } = await http.ask(path);
        if (!refusals.includes(status) || text.includes("# HELP")) violations.push(`${path}: status ${status}`);
      }
      return verdict(violations, `${refusals.join(" or ")} for ${spellings.length} spellings`);
    },
  },
];
