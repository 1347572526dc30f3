import assert from "node:assert/strict";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { Admin } from "@platformatic/kafka";
import { loadConfig } from "../../../app/src/config";
import { clientOptions } from "../../../app/src/events/kafka";

/** Something at a broker's port that does what `answer` says with whoever connects. */
async function withBroker(answer: (socket: Socket) => void, work: (address: string) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    answer(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await work(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

describe("B5 a broker that goes away while a client logs in", () => {
  const cases: Readonly<Record<string, (socket: Socket) => void>> = {
    "at once": (socket) => socket.end(),
    "when it is asked": (socket) => socket.once("data", () => socket.end()),
    "with a reset": (socket) => socket.once("data", () => socket.resetAndDestroy()),
  };
  for (const [when, answer] of Object.entries(cases)) {
    // An error nobody listens for ends the process, and mocha makes it the failure of the test.
    it(`B5 ${when}: the client is told, and the process lives`, () =>
      withBroker(answer, async (address) => {
        const login = { KAFKA_SASL_MECHANISM: "SCRAM-SHA-512", KAFKA_SASL_USERNAME: "app", KAFKA_SASL_PASSWORD: "a-password-of-a-test" };
        const { kafka } = loadConfig({ NODE_ENV: "test", KAFKA_BROKERS: address, ...login });
        const admin = new Admin({ ...clientOptions(kafka!, "test"), retries: 1, retryDelay: 10 });
        try {
          await assert.rejects(admin.listTopics());
        } finally {
          await admin.close();
        }
      }));
  }
});
