import assert from "node:assert/strict";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { KubernetesApi, KubernetesApiError } from "../../../toolchain/lib/kubernetes-api";
import { issue } from "../../support/certificates";

const KINDS = {
  resources: [
    { name: "deployments", kind: "Deployment", namespaced: true },
    { name: "deployments/status", kind: "Deployment", namespaced: true },
  ],
};
const DEPLOYMENT = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "app", namespace: "shop" } };

describe("client of a Kubernetes API server", () => {
  const { certificate, key } = issue();
  const asked: string[] = [];
  let server: Server;
  let api: KubernetesApi;
  let answer: { status: number; body: string; warning?: string };

  before(async () => {
    server = createServer({ cert: certificate, key }, (request, response) => {
      asked.push(`${request.method ?? ""} ${request.url ?? ""} ${request.headers.authorization ?? ""}`);
      if (request.url === "/apis/apps/v1") response.end(JSON.stringify(KINDS));
      else response.writeHead(answer.status, answer.warning === undefined ? {} : { warning: answer.warning }).end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    api = new KubernetesApi({ url, ca: certificate, token: "hush-hush" });
  });
  beforeEach(() => {
    asked.length = 0;
    answer = { status: 200, body: JSON.stringify(DEPLOYMENT) };
  });
  after(async () => {
    api.close();
    await new Promise((resolve) => server.close(resolve));
  });

  it("finds the place of a kind once, and applies there with strict validation", async () => {
    await api.apply(DEPLOYMENT, { fieldManager: "tests", dryRun: true });
    await api.get(DEPLOYMENT);
    const query = "fieldManager=tests&fieldValidation=Strict&force=false&dryRun=All";
    assert.deepEqual(asked, [
      "GET /apis/apps/v1 Bearer hush-hush",
      `PATCH /apis/apps/v1/namespaces/shop/deployments/app?${query} Bearer hush-hush`,
      "GET /apis/apps/v1/namespaces/shop/deployments/app Bearer hush-hush",
    ]);
  });

  it("tells what the server remarks", async () => {
    answer = { ...answer, warning: '299 - "a \\"quoted\\" one", 299 - "another, with a comma"' };
    const { warnings } = await api.apply(DEPLOYMENT, { fieldManager: "tests" });
    assert.deepEqual(warnings, ['a "quoted" one', "another, with a comma"]);
  });

  it("throws what the server refuses in its words, also where they are plain text", async () => {
    answer = { status: 422, body: JSON.stringify({ reason: "Invalid", message: "spec.replicas: Invalid value: -1" }) };
    await assert.rejects(
      api.get(DEPLOYMENT),
      (error) =>
        error instanceof KubernetesApiError &&
        error.status === 422 &&
        error.reason === "Invalid" &&
        /Invalid value: -1/.test(error.message),
    );
    answer = { status: 503, body: "not ready yet" };
    await assert.rejects(api.get(DEPLOYMENT), { status: 503, message: "HTTP 503: not ready yet" });
  });

  it("knows what the server does not serve, and looks again when it is asked again", async () => {
    assert.equal(await api.serves("apps/v1", "Deployment"), true);
    assert.equal(await api.serves("apps/v1", "Guess"), false);
    await assert.rejects(api.get({ ...DEPLOYMENT, kind: "Guess" }), /the server has no kind Guess in apps\/v1/);
    assert.deepEqual(asked, ["GET /apis/apps/v1 Bearer hush-hush"], "what the first question found was forgotten");
  });

  it("believes no other server", async () => {
    const stranger = new KubernetesApi({
      url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      ca: issue().certificate,
      token: "x",
    });
    await assert.rejects(stranger.get(DEPLOYMENT), /self-signed certificate/);
    stranger.close();
  });
});
