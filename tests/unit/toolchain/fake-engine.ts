import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import Docker from "dockerode";

/** An engine that answers what a test says, through the real client. */
export interface FakeEngine {
  readonly client: () => Promise<Docker>;
  /** `GET /images/x/json` and so on, in order. */
  readonly asked: string[];
  /** Bodies of the requests that had one, by their path without query. */
  readonly bodies: Map<string, Buffer>;
  /** By image; `undefined` is an image that is not there. Labels may be null, as they are for images without. */
  readonly images: Map<string, Readonly<Record<string, string>> | null>;
  /** What a pull answers; it gets the image's name. */
  pull: (response: ServerResponse, image: string) => void;
  /** What a build and an import answer; they get the image's name. */
  build: (response: ServerResponse, image: string) => void;
  close(): Promise<void>;
}

/** Ends an answer of the engine's own format: one JSON document a line. */
export function report(response: ServerResponse, ...events: readonly object[]): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(events.map((event) => `${JSON.stringify(event)}\r\n`).join(""));
}

/** Ends an answer with the engine's refusal. */
export function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ message }));
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Starts one on 127.0.0.1. */
export async function fakeEngine(): Promise<FakeEngine> {
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://engine");
      engine.asked.push(`${request.method} ${pathname}`);
      if (body.length > 0) engine.bodies.set(pathname, body);
      const inspected = /^\/images\/(.+)\/json$/.exec(pathname)?.[1];
      if (inspected !== undefined) {
        const labels = engine.images.get(decodeURIComponent(inspected));
        if (labels === undefined) refuse(response, 404, `No such image: ${inspected}`);
        else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ Config: { Labels: labels } }));
      } else if (pathname === "/images/create") {
        const image = searchParams.get("fromImage");
        const tag = searchParams.get("tag");
        if (image !== null) engine.pull(response, tag === null ? image : `${image}:${tag}`);
        else engine.build(response, `${searchParams.get("repo")}:${tag}`);
      } else if (pathname === "/build") engine.build(response, searchParams.get("t") ?? "");
      else refuse(response, 500, `the fake engine knows no ${pathname}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const docker = new Docker({ host: "127.0.0.1", port, protocol: "http" });
  const engine: FakeEngine = {
    client: () => Promise.resolve(docker),
    asked: [],
    bodies: new Map(),
    images: new Map(),
    pull: (response) => refuse(response, 500, "no pull was expected"),
    build: (response) => refuse(response, 500, "no build was expected"),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return engine;
}
