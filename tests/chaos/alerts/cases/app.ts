import type { AlertCase } from "../alert-case";
import { insertEvents } from "./events";

/** Ends one worker of an instance that has two, as the kernel does when memory runs out; says nothing where there is one. */
const KILL_A_WORKER = `
const fs = require("node:fs");
const children = (parent) => fs.readdirSync("/proc").filter((pid) => /^\\d+$/.test(pid)).filter((pid) => {
  try {
    const stat = fs.readFileSync("/proc/" + pid + "/stat", "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] === parent;
  } catch { return false; }
});
const main = children("1").find((pid) => fs.readFileSync("/proc/" + pid + "/cmdline", "utf8").includes("main.js"));
const workers = children(main);
if (workers.length > 1) process.kill(Number(workers[0]), "SIGKILL");`;

/** A release with two faults: every worker keeps more and more memory, up to 87 % of its part, and the first computes nearly all the time. */
const BAD_RELEASE = `
const cluster = require("node:cluster");
if (cluster.isWorker && process.env.WORKERS !== undefined) setTimeout(() => {
  const part = (process.constrainedMemory() - 80 * 1024 ** 2) / Number(process.env.WORKERS);
  const kept = [];
  setInterval(() => {
    while (process.memoryUsage.rss() < 0.87 * part) kept.push(Buffer.alloc(1024 ** 2, 1));
  }, 500);
  if (cluster.worker.id % 2 === 1) setInterval(() => {
    for (const until = performance.now() + 900; performance.now() < until;);
  }, 1000);
}, 3000);`;

/** What people notice, and the app's containers. */
export const APP_CASES: readonly AlertCase[] = [
  {
    title: "every instance of the app is stopped",
    fires: [
      { rule: "NoInstanceReady critical app" },
      { rule: "HighErrorRate critical app" },
      { rule: "ServiceDown critical", labels: { service: "app" } },
      { rule: "ServiceDown critical app" },
    ],
    fault: (stack) => stack.stop("app"),
    meanwhile: (stack) => stack.knock(20, "GET", "/api/orders"),
  },
  {
    title: "a release of the app keeps memory and computes without end",
    fires: [
      { rule: "WorkerMemoryHigh warning", labels: { service: "app" } },
      { rule: "AppMemoryHigh warning", labels: { service: "app" } },
      { rule: "EventLoopLate warning", labels: { service: "app" } },
    ],
    fault: async (stack) => {
      const environment = { NODE_OPTIONS: "--require /app/bad-release.js" };
      return (await stack.standIn("app", { files: { "/app/bad-release.js": () => BAD_RELEASE }, environment })).undo;
    },
  },
  {
    title: "workers are killed again and again, and an event comes that nobody can read",
    fires: [{ rule: "WorkersKeepDying warning", labels: { service: "app" } }, { rule: "EventsDeadLetters warning consumer" }],
    fault: async (stack) => {
      await insertEvents(stack, { count: 1, type: "order.created" });
      return () => Promise.resolve();
    },
    meanwhile: async (stack) => stack.exec(await stack.data.container("app"), ["node", "-e", KILL_A_WORKER]),
  },
];
