import type { Request, Response } from "express";
import { Router } from "express";
import { z } from "zod";
import {
  ask,
  CONVERSATION_LIST,
  createConversation,
  deleteConversation,
  getConversation,
  MESSAGE_LIST,
  presentConversation,
  presentMessage,
  reply,
  type Conversation,
  type Message,
  type Question,
  type Reply,
} from "../../chat/chat";
import { LocalChatProvider } from "../../chat/local-provider";
import type { ChatProvider } from "../../chat/provider";
import type { Container } from "../../container";
import { conversations, MESSAGE_STATUSES, messages } from "../../db/domain-tables";
import type { TenantScope } from "../../db/tenant";
import { EventStream } from "../event-stream";
import { name } from "../fields";
import { sessionOf, tenantOf } from "../middleware/authenticate";
import { jsonBody } from "../middleware/body";
import * as shown from "../openapi/fields";
import { pageSchema, resource, type Operation } from "../openapi/operation";
import { listPage, listQuerySchema, parseListRequest } from "../pagination";
import { HttpProblem } from "../problem";
import { sendJson, sendNothing } from "../respond";
import { pathId, validate } from "../validate";

/** Answers that one process has under way at the same time; more would wait for longer than people do. */
const MOST_ANSWERS = 1000;

const newConversationSchema = z.strictObject({ title: name.default("Conversation") });

const questionSchema = z.strictObject({
  content: z
    .string()
    .trim()
    .min(1)
    .max(4000)
    .regex(/^[^\0]*$/)
    .describe("1 to 4000 characters"),
});

const conversationSchema: z.ZodType<Conversation> = z.strictObject({
  id: shown.id,
  title: z.string(),
  messageCount: shown.count,
  ...shown.times,
});

const messageSchema: z.ZodType<Message> = z.strictObject({
  id: shown.id,
  position: z.int().min(1),
  role: z.enum(["user", "assistant"]),
  status: z.enum(MESSAGE_STATUSES),
  content: z.string(),
  createdAt: shown.time,
});

const path = "/api/chat/conversations";
const answered = z.strictObject({ question: messageSchema, answer: messageSchema });

export const chatOperations: readonly Operation[] = [
  ...resource({
    tag: "chat",
    path,
    one: "a conversation of the user",
    list: CONVERSATION_LIST,
    listItem: conversationSchema,
    create: newConversationSchema,
    deletes: true,
    versioned: false,
  }),
  {
    tag: "chat",
    method: "get",
    path: `${path}/{id}/messages`,
    summary: "A page of the messages of a conversation",
    query: listQuerySchema(MESSAGE_LIST),
    answers: { 200: { description: "The page", schema: pageSchema(messageSchema) } },
  },
  {
    tag: "chat",
    method: "post",
    path: `${path}/{id}/messages`,
    summary:
      "Asks and is answered: as JSON, or with Accept: text/event-stream piece by piece in the events question, piece and answer. Going away cancels the answer",
    body: questionSchema,
    answers: {
      200: { description: "Server-sent events", contentType: "text/event-stream", schema: z.string() },
      201: { description: "The question as it was kept, and its answer", schema: answered },
    },
  },
];

/** `/api/chat` (feature B6: never cached): a user's own conversations. */
export function chatRoutes(container: Container): Router {
  const { database, logger, config } = container;
  const provider: ChatProvider = new LocalChatProvider(config.chatLatencyMs);
  const router = Router();
  let underWay = 0;

  router.get("/conversations", async (request, response) => {
    const list = parseListRequest(request.query, CONVERSATION_LIST);
    const { userId } = sessionOf(request);
    const page = await listPage(tenantOf(request, database).table(conversations), { ...list, where: { userId } }, presentConversation);
    sendJson(request, response, 200, page);
  });

  router.post("/conversations", jsonBody(), async (request, response) => {
    const { title } = validate(newConversationSchema, request.body, "The request body");
    const created = await createConversation(tenantOf(request, database), sessionOf(request).userId, title);
    sendJson(request, response, 201, created, { location: `${path}/${created.id}` });
  });

  router.get("/conversations/:id", async (request, response) => {
    sendJson(request, response, 200, await getConversation(tenantOf(request, database), sessionOf(request).userId, pathId(request)));
  });

  router.delete("/conversations/:id", async (request, response) => {
    await deleteConversation(tenantOf(request, database), sessionOf(request).userId, pathId(request));
    sendNothing(request, response);
  });

  router.get("/conversations/:id/messages", async (request, response) => {
    const list = parseListRequest(request.query, MESSAGE_LIST);
    const scope = tenantOf(request, database);
    const { id } = await getConversation(scope, sessionOf(request).userId, pathId(request));
    const page = await listPage(scope.table(messages), { ...list, where: { conversationId: id } }, presentMessage);
    sendJson(request, response, 200, page);
  });

  router.post("/conversations/:id/messages", jsonBody(), async (request, response) => {
    const { content } = validate(questionSchema, request.body, "The request body");
    if (underWay >= MOST_ANSWERS) {
      throw new HttpProblem("unavailable", "Too many answers are under way; try again in a moment.", { headers: { "Retry-After": "2" } });
    }
    underWay += 1;
    try {
      const scope = tenantOf(request, database);
      const question = await ask(scope, sessionOf(request).userId, pathId(request), content);
      const answer = request.accepts(["application/json", "text/event-stream"]) === "text/event-stream" ? stream : whole;
      const { message, error } = await answer(request, response, { scope, conversationId: pathId(request), question, provider });
      const { requestId } = request.context;
      if (error !== undefined) logger.error({ err: error, requestId, provider: provider.name }, "the chat provider failed");
      if (message.status === "cancelled") logger.info({ requestId, characters: message.content.length }, "chat answer cancelled");
      if (message.status === "failed" && !response.headersSent) {
        throw new HttpProblem("unavailable", "Nobody could answer; the question is kept. Ask again in a moment.", {
          headers: { "Retry-After": "5" },
        });
      }
    } finally {
      underWay -= 1;
    }
  });

  return router;
}

interface Conversing {
  readonly scope: TenantScope;
  readonly conversationId: string;
  readonly question: Question;
  readonly provider: ChatProvider;
}

async function stream(request: Request, response: Response, { scope, conversationId, question, provider }: Conversing): Promise<Reply> {
  const events = new EventStream(request, response);
  let first = true;
  const outcome = await reply(scope, conversationId, question, provider, events.signal, async (text) => {
    // Within the answer, so that a reader who left before the first byte is noticed there.
    if (first) await events.send("question", question.message);
    first = false;
    await events.send("piece", { text });
  });
  await events.finish("answer", outcome.message);
  return outcome;
}

async function whole(request: Request, response: Response, { scope, conversationId, question, provider }: Conversing): Promise<Reply> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const outcome = await reply(scope, conversationId, question, provider, gone.signal, () => undefined);
  if (outcome.message.status === "complete") sendJson(request, response, 201, { question: question.message, answer: outcome.message });
  return outcome;
}
