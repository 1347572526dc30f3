import fastify from "fastify";
import { announce, body } from "./serve";

// Peer "fastify": Fastify 5 with nothing but one route.
const content = body();
const app = fastify();

app.get("/api/bench", () => content);

void app.listen({ port: 0, host: "127.0.0.1" }).then((address) => announce(Number(new URL(address).port)));
