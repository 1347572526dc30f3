import express from "express";
import { runScaled } from "../../../app/src";

/** Milliseconds of work that `/work` keeps the event loop busy for: a capacity that a test can exceed without a machine to do it. */
const WORK_MS = 10;

/** An app around which the library puts everything, and whose one route is expensive. */
void runScaled(() => {
  const app = express();
  app.all("/work", (_request, response) => {
    const until = performance.now() + WORK_MS;
    while (performance.now() < until);
    response.json({ done: true });
  });
  return app;
});
