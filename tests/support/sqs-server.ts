import { createHash, randomUUID } from "node:crypto";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";

interface Stored {
  readonly id: string;
  readonly body: string;
  receipt: string;
  received: number;
  /** Nobody gets it before; ms. */
  visibleAt: number;
}

interface Entry {
  readonly Id: string;
  readonly MessageBody: string;
  readonly ReceiptHandle: string;
  readonly VisibilityTimeout: number;
}

interface Question {
  readonly MaxNumberOfMessages: number;
  readonly WaitTimeSeconds: number;
  readonly VisibilityTimeout: number;
  readonly Entries?: readonly Entry[];
}

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

/** As much of SQS as the app uses, in this process: one standard queue with a redrive policy. It checks no signature. */
export class SqsServer {
  readonly messages: Stored[] = [];
  /** Bodies of what was delivered as often as the redrive policy allows. */
  readonly dead: string[] = [];
  readonly asked: string[] = [];
  /** Deliveries of one message at most. */
  mostReceives = 5;
  /** Requests of which nothing is taken, by their name, and those that are never answered. */
  readonly refused = new Set<string>();
  readonly silent = new Set<string>();
  /** Entries of a batch that are still to be refused while the rest is taken, by the request's name: every second one. */
  readonly partly = new Map<string, number>();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<SqsServer> {
    const server = createServer();
    const started = new SqsServer(server);
    server.on("request", (request, response) => {
      const action = String(request.headers["x-amz-target"]).replace("AmazonSQS.", "");
      json(request)
        .then((body) => started.answer(action, body as Question, response))
        .catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return started;
  }

  get queueUrl(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/123456789012/events`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  put(body: string): void {
    this.messages.push({ id: randomUUID(), body, receipt: "", received: 0, visibleAt: 0 });
  }

  private async answer(action: string, question: Question, response: ServerResponse): Promise<void> {
    this.asked.push(action);
    if (this.silent.has(action)) return;
    const answered = this.refused.has(action) ? undefined : await this.act(action, question, response);
    response.writeHead(answered === undefined ? 400 : 200, { "Content-Type": "application/x-amz-json-1.0" });
    response.end(JSON.stringify(answered ?? { __type: "com.amazonaws.sqs#InvalidParameterValue", message: "refused" }));
  }

  private async act(action: string, question: Question, response: ServerResponse): Promise<object | undefined> {
    const { taken: entries, Failed } = this.sorted(action, question.Entries ?? []);
    const all = entries.map(({ Id }) => ({ Id }));
    switch (action) {
      case "SendMessageBatch":
        for (const { MessageBody: body } of entries) this.put(body);
        return {
          Successful: entries.map(({ Id, MessageBody }) => ({ Id, MessageId: randomUUID(), MD5OfMessageBody: md5(MessageBody) })),
          Failed,
        };
      case "ReceiveMessage":
        return this.receive(question, response);
      case "DeleteMessageBatch":
        for (const { ReceiptHandle: receipt } of entries) {
          const at = this.messages.findIndex((message) => message.receipt === receipt);
          if (at !== -1) this.messages.splice(at, 1);
        }
        return { Successful: all, Failed };
      case "ChangeMessageVisibilityBatch":
        for (const { ReceiptHandle: receipt, VisibilityTimeout: seconds } of entries) {
          const found = this.messages.find((message) => message.receipt === receipt);
          if (found !== undefined) found.visibleAt = Date.now() + seconds * 1000;
        }
        return { Successful: all, Failed };
      default:
        return undefined;
    }
  }

  /** A batch that is answered with 200 may have entries that were refused all the same. */
  private sorted(action: string, entries: readonly Entry[]) {
    const most = this.partly.get(action) ?? 0;
    const refused = entries.filter((_, index) => index % 2 === 1).slice(0, most);
    if (refused.length > 0) this.partly.set(action, most - refused.length);
    const Failed = refused.map(({ Id }) => ({ Id, SenderFault: false, Code: "InternalError", Message: "not now" }));
    return { taken: entries.filter((entry) => !refused.includes(entry)), Failed };
  }

  private async receive(
    { MaxNumberOfMessages: most, WaitTimeSeconds: wait, VisibilityTimeout: hidden }: Question,
    response: ServerResponse,
  ) {
    const until = Date.now() + wait * 1000;
    for (;;) {
      // Whoever hung up gets nothing, as if it had never asked.
      if (response.destroyed) return {};
      const ready = this.take().slice(0, most);
      if (ready.length > 0 || Date.now() >= until) {
        for (const message of ready) {
          message.received += 1;
          message.receipt = randomUUID();
          message.visibleAt = Date.now() + hidden * 1000;
        }
        return {
          Messages: ready.map(({ id, body, receipt }) => ({ MessageId: id, ReceiptHandle: receipt, Body: body, MD5OfBody: md5(body) })),
        };
      }
      await delay(10);
    }
  }

  /** What is to be delivered; what was delivered often enough goes to the dead letters. */
  private take(): Stored[] {
    const ready = this.messages.filter(({ visibleAt }) => visibleAt <= Date.now());
    for (const message of ready.filter(({ received }) => received >= this.mostReceives)) {
      this.dead.push(message.body);
      this.messages.splice(this.messages.indexOf(message), 1);
    }
    return ready.filter(({ received }) => received < this.mostReceives);
  }
}
