// Starts a command of this project: `node toolchain/run.mjs COMMAND …`. Plain JavaScript without dependencies, because it
// runs before `npm ci` has. It brings node_modules up to date, then hands over to toolchain/main.ts under the project's own
// Node (node_modules/.bin/node), forwarding terminal, signals and exit code.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const MODULES = path.join(ROOT, "node_modules");
const STAMP = path.join(MODULES, ".phased-stack-stamp");
const NODE = path.join(MODULES, "node", "bin", process.platform === "win32" ? "node.exe" : "node");
/** Oldest Node that can start this file; the project's own Node comes with `npm ci`. Same as package.json "engines". */
const OLDEST_NODE = [20, 19];
/** `npm ci` takes 20 to 60 s on 2 cores; ten minutes mean that something hangs. */
const INSTALL_TIMEOUT_MS = 10 * 60_000;

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    fail(
      `Node ${process.versions.node} is too old: this project needs Node ${OLDEST_NODE.join(".")} or newer to start; install the version in .nvmrc.`,
    );
  }
}

function lockfileStamp() {
  const lock = readFileSync(path.join(ROOT, "package-lock.json"));
  const hash = createHash("sha256").update(lock).digest("hex");
  // The platform belongs to it: a clone may be shared between a host and a container of another kind.
  return `${hash} ${process.platform} ${process.arch}\n`;
}

function read(file) {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

function writeStamp(stamp) {
  writeFileSync(`${STAMP}.new`, stamp);
  renameSync(`${STAMP}.new`, STAMP);
}

/** True if the user has run `npm ci` or `npm install` themselves: npm's own record then holds what the lockfile asks for. */
function installedByHand() {
  const record = read(path.join(MODULES, ".package-lock.json"));
  if (record === undefined) return false;
  const installed = JSON.parse(record).packages;
  const wanted = JSON.parse(readFileSync(path.join(ROOT, "package-lock.json"), "utf8")).packages;
  return Object.entries(wanted).every(([where, entry]) => {
    if (where === "") return true;
    const found = installed[where];
    if (found === undefined) return entry.optional === true || entry.peer === true;
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

/** Runs npm with its output shown, a line with the elapsed time every 15 s, and a time limit. */
function npm(args) {
  return new Promise((resolve) => {
    const started = Date.now();
    const seconds = () => `${((Date.now() - started) / 1000).toFixed(0)} s`;
    console.error(`npm dependencies: npm ${args.join(" ")} …`);
    const child = spawn("npm", args, { cwd: ROOT, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
    const ticker = setInterval(() => console.error(`npm dependencies: still running (${seconds()})`), 15_000);
    const limit = setTimeout(() => {
      child.kill("SIGKILL");
      fail(
        `npm ${args.join(" ")} did not finish within ${INSTALL_TIMEOUT_MS / 60_000} minutes and was ended; run it by hand in ${ROOT} to see why.`,
      );
    }, INSTALL_TIMEOUT_MS);
    const stop = (signal) => {
      child.kill(signal);
      process.exit(128 + constants.signals[signal]);
    };
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
    child.once("error", (error) => fail(`npm cannot be started (${error.message}); install npm, it comes with Node.`));
    child.once("exit", (code) => {
      clearInterval(ticker);
      clearTimeout(limit);
      process.removeListener("SIGINT", stop);
      process.removeListener("SIGTERM", stop);
      if (code !== 0)
        fail(`npm ${args.join(" ")} failed (exit code ${code}, output above); run it by hand in ${ROOT} once the cause is removed.`);
      console.error(`npm dependencies: done (${seconds()})`);
      resolve();
    });
  });
}

function ownNodeMajor() {
  if (!existsSync(NODE)) return undefined;
  const result = spawnSync(NODE, ["--version"], { encoding: "utf8", timeout: 20_000 });
  return /^v(\d+)\./.exec(result.stdout ?? "")?.[1];
}

async function bringUpToDate() {
  const stamp = lockfileStamp();
  if (read(STAMP) === stamp && existsSync(NODE)) return;
  if (!installedByHand()) await npm(["ci"]);
  const major = readFileSync(path.join(ROOT, ".nvmrc"), "utf8").trim();
  if (ownNodeMajor() !== major) {
    // The npm package `node` fetches its binary in an install script, which `npm ci --ignore-scripts` and some policies skip.
    await npm(["rebuild", "node"]);
    if (ownNodeMajor() !== major) {
      fail(
        `node_modules/.bin/node is not Node ${major}: the install script of the npm package "node" did not run; allow it and run npm ci in ${ROOT}.`,
      );
    }
  }
  // Last, so that an interrupted installation is repeated.
  writeStamp(stamp);
}

function handOver() {
  const main = path.join(ROOT, "toolchain", "main.ts");
  const tsx = new URL("../node_modules/tsx/dist/loader.mjs", import.meta.url).href;
  const child = spawn(NODE, ["--import", tsx, main, ...process.argv.slice(2)], { stdio: "inherit" });
  child.once("error", (error) => fail(`${NODE} cannot be started (${error.message}); run npm ci in ${ROOT}.`));
  // A terminal sends Ctrl-C to both processes; main.ts counts signals that arrive together as one.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.once("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

checkNode();
await bringUpToDate();
handOver();
