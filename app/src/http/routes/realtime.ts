import { Router } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { TICKET_LIFETIME_MS } from "../../realtime/tickets";
import { requestToken, sessionOf } from "../middleware/authenticate";
import * as shown from "../openapi/fields";
import type { Operation } from "../openapi/operation";
import { HttpProblem } from "../problem";
import { sendJson } from "../respond";

const ticketSchema = z.strictObject({
  ticket: z.string().describe("for /api/realtime?ticket=, once"),
  expiresAt: shown.time,
});

export const realtimeOperations: readonly Operation[] = [
  {
    tag: "realtime",
    method: "post",
    path: "/api/realtime/ticket",
    summary: "A ticket that opens one WebSocket as whoever asks, for clients that cannot send headers with an upgrade; good for 30 s",
    answers: { 201: { description: "The ticket", schema: ticketSchema } },
  },
];

/** `POST /api/realtime/ticket` (feature D7). The WebSocket itself is the gateway's: upgrades do not come through Express. */
export function realtimeRoutes({ realtime, sessions, logger }: Container): Router {
  const router = Router();
  router.post("/ticket", async (request, response) => {
    const idHash = sessions.idOf(requestToken(request) ?? "");
    if (idHash === undefined) throw new HttpProblem("authentication-required", "Log in first.");
    const expiresAt = new Date(Date.now() + TICKET_LIFETIME_MS).toISOString();
    const ticket = await realtime.tickets.issue({ session: sessionOf(request), idHash }).catch((error: unknown) => {
      logger.warn({ reason: String(error) }, "a ticket could not be kept");
      throw new HttpProblem("unavailable", "No ticket can be issued at the moment; try again in a second.", {
        headers: { "Retry-After": "1" },
      });
    });
    sendJson(request, response, 201, { ticket, expiresAt });
  });
  return router;
}
