import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { hostAddress } from "../../support/host-address";

/** Where alerts and the heartbeat are sent to: a server of this process that can refuse them. */
export interface Receiver {
  readonly webhookUrl: string;
  readonly heartbeatUrl: string;
  /** What it answers from now on. */
  status: number;
  close(): void;
}

/** @param port @default any that is free */
export async function startReceiver(port = 0): Promise<Receiver> {
  const server = createServer((request, response) => {
    request.resume().once("end", () => response.writeHead(receiver.status).end());
  });
  await once(server.listen(port, "0.0.0.0"), "listening");
  const outside = `http://${hostAddress()}:${(server.address() as AddressInfo).port}`;
  const receiver: Receiver = {
    webhookUrl: `${outside}/webhook`,
    heartbeatUrl: `${outside}/heartbeat`,
    status: 200,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return receiver;
}
