import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { EndpointSettings } from "../../../stacks/local/docker-endpoint";
import { grafanaImage } from "../../../stacks/local/grafana-image";
import { Recorder } from "../../support/pulumi-mocks";

/** A Docker Engine that has the image, or this stack's volume, or whose registry knows the image, or that answers with `failure`; paths it was asked for. */
async function engine(has: { readonly image: boolean; readonly registry: boolean; readonly volume?: boolean }, failure: string) {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    const url = request.url ?? "";
    if (url.startsWith("/volumes?")) {
      assert.deepEqual(JSON.parse(new URL(url, "http://engine").searchParams.get("filters") ?? "{}"), { label: OF_GRAFANA });
      response.end(JSON.stringify({ Volumes: has.volume === true ? [{ Name: "grafana-data" }] : null }));
      return;
    }
    asked.push(url);
    const found = url.startsWith("/images/") ? has.image : has.registry;
    response.writeHead(found ? 200 : 500).end(found ? "{}" : failure);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const settings: EndpointSettings = {
    docker: { get: (key) => (key === "host" ? host : undefined) },
    environment: {},
    platform: "linux",
    home: "/",
  };
  return { settings, asked, close: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}

const IMAGE = "/images/grafana/grafana:12.4.0/json";
const REGISTRY = "/distribution/grafana/grafana:12.4.0/json";
const OF_GRAFANA = ["phased-stack.project=shop", "phased-stack.stack=staging", "phased-stack.service=grafana"];

describe("B9 whether there is an image of Grafana", () => {
  beforeEach(() => Recorder.install("shop", "staging"));

  it("B9 is there when the host has it, or its registry tells of it; nothing is pulled", async () => {
    for (const [has, paths] of [
      [{ image: true, registry: false }, [IMAGE]],
      [{ image: false, registry: true }, [IMAGE, REGISTRY]],
    ] as const) {
      const { settings, asked, close } = await engine(has, "");
      assert.deepEqual(await grafanaImage(settings), { available: true });
      assert.deepEqual(asked, paths);
      await close();
    }
  });

  it("B9 is not, with the engine's own words why", async () => {
    const words = JSON.stringify({ message: 'Get "https://registry-1.docker.io/v2/": no such host\n' });
    const { settings, close } = await engine({ image: false, registry: false }, words);
    assert.deepEqual(await grafanaImage(settings), {
      available: false,
      reason: `it answered 500 to GET ${REGISTRY}: Get "https://registry-1.docker.io/v2/": no such host`,
    });
    await close();
  });

  it("B9 a stack that has a Grafana keeps it, whatever the registry says; who cannot say whether it has one may have it", async () => {
    const { settings, asked, close } = await engine({ image: false, registry: false, volume: true }, "");
    assert.deepEqual(await grafanaImage(settings), { available: true });
    assert.deepEqual(asked, [], "nobody else has to be asked");
    await close();
    assert.deepEqual(await grafanaImage(settings), { available: true });
  });
});
