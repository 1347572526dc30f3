import { createServer } from "node:http";
import express from "express";
import { body, serve } from "./serve";

// Peer "express": Express 5 with nothing but one route.
const content = body();
const app = express();

app.get("/api/bench", (_request, response) => {
  response.json(content);
});

serve(createServer(app));
