import { setTimeout as delay } from "node:timers/promises";
import type { ChatProvider, ChatTurn } from "./provider";

/** What the local provider can say something about: the first topic with a word that occurs in the question is answered. */
const TOPICS: readonly { readonly words: readonly string[]; readonly answer: string }[] = [
  {
    words: ["order", "orders", "bestellung"],
    answer: "Orders are under /api/orders. A pending order can be confirmed or cancelled, a confirmed one shipped or cancelled.",
  },
  {
    words: ["tax", "taxes", "bracket", "brackets", "deduction"],
    answer: "POST /api/tax/computations computes the federal income tax of a year and keeps it; /api/tax/schedules shows the brackets.",
  },
  {
    words: ["filing", "filings", "submit", "deadline"],
    answer: "A filing is a draft until it is submitted; it needs a tax computation of the same year. A rejected one becomes a draft again.",
  },
  {
    words: ["quota", "quotas", "limit", "limits", "plan", "upgrade"],
    answer: "GET /api/quotas shows what is used of the plan, and what the next plan allows.",
  },
  {
    words: ["patient", "patients", "exam", "exams"],
    answer: "Exams belong to patients: create the patient first, then schedule the exam with its patientId.",
  },
];

const OTHERWISE = "I can tell about orders, patients and exams, taxes, filings, and plans.";

/** Characters of a question that are repeated in the answer. */
const REPEATED_CHARACTERS = 60;

/**
 * Answers from a list, the same question always alike: for development, tests and load. It takes as long as it is told, spread evenly
 * over the words, so that streaming and cancelling behave as with a model.
 */
export class LocalChatProvider implements ChatProvider {
  readonly name = "local";
  readonly #latencyMs: number;

  /** @param latencyMs of a whole answer, milliseconds; 0 answers at once. */
  constructor(latencyMs: number) {
    this.#latencyMs = latencyMs;
  }

  async *answer(conversation: readonly ChatTurn[], signal: AbortSignal): AsyncGenerator<string> {
    const pieces = compose(conversation).match(/\S+\s*/g) ?? [];
    for (const piece of pieces) {
      signal.throwIfAborted();
      // Rejects with an AbortError the moment the signal fires.
      if (this.#latencyMs > 0) await delay(this.#latencyMs / pieces.length, undefined, { signal });
      yield piece;
    }
  }
}

function compose(conversation: readonly ChatTurn[]): string {
  const question = conversation.at(-1)?.content ?? "";
  const words = new Set(question.toLowerCase().match(/\p{L}+/gu) ?? []);
  const topic = TOPICS.find((candidate) => candidate.words.some((word) => words.has(word)));
  const asked = conversation.filter(({ role }) => role === "user").length;
  const shown = question.replace(/\s+/g, " ").trim().slice(0, REPEATED_CHARACTERS);
  return `You asked (question ${asked}): "${shown}". ${topic?.answer ?? OTHERWISE}`;
}
