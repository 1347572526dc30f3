import { createId } from "../db/id";
import type { MESSAGE_STATUSES } from "../db/domain-tables";
import { conversations, messages, type ConversationRow, type MessageRow } from "../db/domain-tables";
import type { TenantScope } from "../db/tenant";
import type { ListDefinition } from "../http/pagination";
import { HttpProblem } from "../http/problem";
import type { ChatProvider } from "./provider";

/** A conversation as its user sees it. */
export type Conversation = Omit<ConversationRow, "userId">;

/** One message as the API shows it. */
export type Message = Omit<MessageRow, "conversationId">;

export const CONVERSATION_LIST: ListDefinition<ConversationRow> = {
  size: "small",
  sorts: ["updatedAt"],
  defaultSort: "-updatedAt",
  filters: {},
  within: ["userId"],
};

export const MESSAGE_LIST: ListDefinition<MessageRow> = {
  size: "large",
  sorts: ["position"],
  defaultSort: "position",
  filters: {},
  within: ["conversationId"],
};

/** Messages of one conversation; then a new one has to be begun. */
export const MOST_MESSAGES = 1000;

/** Latest messages that the provider is given. */
const REMEMBERED_MESSAGES = 20;

/** An answer is cut off here, in characters, so that no provider can fill the memory or the database. */
const MOST_ANSWER_CHARACTERS = 20_000;

type MessageStatus = (typeof MESSAGE_STATUSES)[number];

export function presentConversation({ id, title, messageCount, createdAt, updatedAt }: ConversationRow): Conversation {
  return { id, title, messageCount, createdAt, updatedAt };
}

export function presentMessage({ id, position, role, status, content, createdAt }: MessageRow): Message {
  return { id, position, role, status, content, createdAt };
}

export async function createConversation(scope: TenantScope, userId: string, title: string): Promise<Conversation> {
  const now = new Date().toISOString();
  const row: ConversationRow = { id: createId(), userId, title, messageCount: 0, createdAt: now, updatedAt: now };
  await scope.table(conversations).insert(row);
  return presentConversation(row);
}

/** @throws HttpProblem when the user has no such conversation: those of colleagues are nobody else's business. */
export async function getConversation(scope: TenantScope, userId: string, id: string): Promise<Conversation> {
  const row = await scope.table(conversations).find(id);
  if (row?.userId !== userId) throw new HttpProblem("not-found", "There is no such conversation.");
  return presentConversation(row);
}

/** Deletes a conversation with its messages. @throws HttpProblem when the user has no such conversation. */
export async function deleteConversation(scope: TenantScope, userId: string, id: string): Promise<void> {
  const deleted = await scope.table(conversations).delete({ id, userId });
  if (deleted === 0) throw new HttpProblem("not-found", "There is no such conversation.");
}

/** A question that is kept, and the conversation up to it. */
export interface Question {
  readonly message: Message;
  readonly history: readonly Message[];
}

/**
 * Keeps a user's message before it is answered: whatever happens then, the question is not lost.
 * @throws HttpProblem when the user has no such conversation, or it is full.
 */
export async function ask(scope: TenantScope, userId: string, conversationId: string, content: string): Promise<Question> {
  return scope.transaction(async (inside) => {
    await getConversation(inside, userId, conversationId);
    const message = await addMessage(inside, conversationId, "user", "complete", content);
    const latest = await inside
      .table(messages)
      .page({ where: { conversationId }, sort: "position", descending: true, limit: REMEMBERED_MESSAGES });
    return { message, history: latest.reverse().map(presentMessage) };
  });
}

/** How {@link reply} went. */
export interface Reply {
  readonly message: Message;
  /** What the provider failed with, for the log. */
  readonly error?: unknown;
}

/**
 * Lets the provider answer and keeps what came: also when the reader went away, or the provider failed half-way.
 * @param onPiece is given each piece; what it returns is awaited, so that a slow reader slows the provider down.
 */
export async function reply(
  scope: TenantScope,
  conversationId: string,
  question: Question,
  provider: ChatProvider,
  signal: AbortSignal,
  onPiece: (piece: string) => Promise<void> | void,
): Promise<Reply> {
  let content = "";
  let status: MessageStatus = "complete";
  let error: unknown;
  try {
    for await (const piece of provider.answer(question.history, signal)) {
      const kept = piece.slice(0, MOST_ANSWER_CHARACTERS - content.length);
      content += kept;
      await onPiece(kept);
      if (content.length >= MOST_ANSWER_CHARACTERS) break;
    }
  } catch (cause) {
    // A reader who left is no failure.
    status = signal.aborted ? "cancelled" : "failed";
    if (status === "failed") error = cause;
  }
  const message = await scope.transaction((inside) => addMessage(inside, conversationId, "assistant", status, content));
  return { message, ...(error !== undefined && { error }) };
}

async function addMessage(
  inside: TenantScope,
  conversationId: string,
  role: MessageRow["role"],
  status: MessageStatus,
  content: string,
): Promise<Message> {
  const position = await inside.table(conversations).increment(conversationId, "messageCount");
  if (position === undefined) throw new HttpProblem("not-found", "There is no such conversation.");
  if (role === "user" && position > MOST_MESSAGES) {
    throw new HttpProblem("conflict", `A conversation has at most ${MOST_MESSAGES} messages; begin a new one.`);
  }
  const createdAt = new Date().toISOString();
  await inside.table(conversations).update(conversationId, { updatedAt: createdAt });
  const row: MessageRow = { id: createId(), conversationId, position, role, status, content, createdAt };
  await inside.table(messages).insert(row);
  return presentMessage(row);
}
