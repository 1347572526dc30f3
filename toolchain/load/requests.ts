import type { LoadRequest } from "../lib/load";
import type { Person } from "./people";
import type { Operation } from "./profiles";
import type { Plan } from "./schedule";

/** What the app's local provider answers from a list, the same question always alike. */
const QUESTIONS = [
  "How many orders may I have?",
  "Which tax bracket is mine?",
  "When is my filing due?",
  "Who is the next patient?",
] as const;

/**
 * The requests of a plan, in its order.
 * @param headers of every request, by which the stack's limits let one client stand for many.
 */
export function requestsOf(plan: Plan, people: readonly Person[], headers: Readonly<Record<string, string>>): (n: number) => LoadRequest {
  const asked = people.map(() => 0);
  return (n) => {
    const index = (plan.user[n] ?? 0) % people.length;
    const person = people[index];
    const operation = plan.operations[plan.operation[n] ?? 0];
    if (person === undefined || operation === undefined) throw new Error(`the plan has no request ${n}`);
    const turn = asked[index] ?? 0;
    asked[index] = turn + 1;
    return requestOf(operation, person, turn, headers);
  };
}

function requestOf(operation: Operation, person: Person, turn: number, operator: Readonly<Record<string, string>>): LoadRequest {
  const headers = { ...operator, authorization: `Bearer ${person.token}`, "accept-encoding": "gzip" };
  const post = (path: string, body: unknown): LoadRequest => ({
    path,
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  switch (operation) {
    case "health":
      return { path: "/health", headers: operator };
    case "dashboard":
      return { path: "/api/dashboard", headers };
    case "orders":
      return { path: "/api/orders?limit=20", headers };
    case "products":
      return { path: "/api/products?limit=20", headers };
    case "order":
      return { path: `/api/orders/${person.orders[turn % person.orders.length] ?? ""}`, headers };
    case "new-order":
      return post("/api/orders", { customerName: `Customer ${turn}`, totalCents: 100 + turn });
    case "chat": {
      const conversation = person.conversations[turn % person.conversations.length] ?? "";
      return post(`/api/chat/conversations/${conversation}/messages`, { content: QUESTIONS[turn % QUESTIONS.length] });
    }
  }
}
