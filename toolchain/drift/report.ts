import { colours } from "../lib/table";
import type { ChangedProperty, Drift, DriftedResource, PendingChange } from "./read";

/** Longest value that is shown; whole ones are in `--json`. */
const SHOWN_CHARACTERS = 60;

/** Properties of a container in MiB, as the Docker provider counts them. */
const MEBIBYTES = new Set(["memory", "memorySwap", "memoryReservation", "shmSize"]);

/** What `npm run drift -- --json` prints. */
export interface DriftReport extends Pick<Drift, "drift" | "pending"> {
  readonly stack: string;
  /** `none`, `drift`, or `absent` where there is nothing to compare with. */
  readonly state: "none" | "drift" | "absent";
}

/** The report as text. @param command makes the npm command for this stack */
export function driftText(report: DriftReport, command: (name: string, ...args: readonly string[]) => string): string {
  const { stack, drift, pending } = report;
  if (drift.length + pending.length === 0) return `${colours.green("✔")} Stack ${stack} is as it was deployed.`;
  const replaced = drift.filter(({ kind }) => kind === "disconnected").map(({ urn }) => `--replace '${urn}'`);
  const fix = command("up", "--refresh", ...(replaced.length === 0 ? [] : ["--", ...replaced]));
  return [
    ...(drift.length === 0
      ? [`Nothing of stack ${stack} was changed by hand.`]
      : [
          `${colours.yellow("!")} ${count(drift.length, "difference")} between what runs of stack ${stack} and what was deployed:`,
          ...drift.flatMap(driftLines),
        ]),
    ...(pending.length === 0
      ? []
      : [
          drift.length === 0
            ? "The program or its configuration are not those that were deployed; an update would"
            : "Beside putting that right, because of it or because program or configuration are not those that were deployed, an update would",
          ...pending.map(pendingLine),
        ]),
    "",
    `Nothing was changed. ${drift.length === 0 ? "Deploy" : "Put it back"} with: ${fix}`,
  ].join("\n");
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function driftLines({ type, name, physicalName, kind, properties }: DriftedResource): string[] {
  const place = physicalName === undefined || physicalName === name ? "" : ` (${physicalName})`;
  const who = `  ${colours.bold(name)}, ${typeName(type)}${place}`;
  if (kind === "removed") return [`${who}: removed`];
  if (kind === "disconnected") return [`${who}: not in its network ${shown(properties[0]?.deployed)}`];
  return [`${who}: changed`, ...properties.map((property) => `    ${propertyText(property)}`)];
}

function propertyText({ property, deployed, now }: ChangedProperty): string {
  // The provider's way to say that a container which should run does not.
  if (property === "mustRun" && now === false) return "does not run";
  const unit = MEBIBYTES.has(property) ? " MiB" : "";
  const value = (one: unknown): string => `${shown(one)}${typeof one === "number" && one > 0 ? unit : ""}`;
  return `${property}: deployed ${value(deployed)}, now ${value(now)}`;
}

function pendingLine({ operation, name, type, properties }: PendingChange): string {
  return `  ${operation} ${colours.bold(name)}, ${typeName(type)}${properties.length === 0 ? "" : ` (${properties.join(", ")})`}`;
}

/** `docker:index/container:Container` → `container`, `aws:rds/cluster:Cluster` → `aws rds cluster`. */
function typeName(type: string): string {
  const [provider = "", module = "", name = ""] = type.split(":");
  const kind = name.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
  if (provider === "docker" || provider === "pulumi") return kind;
  const area = module.split("/")[0] ?? "";
  return [provider, ...(area === "index" || area === kind ? [] : [area]), kind].join(" ");
}

function shown(value: unknown): string {
  if (value === undefined || value === null || value === "") return "nothing";
  const text = Array.isArray(value) && value.every((one) => typeof one === "string") ? value.join(", ") : JSON.stringify(value);
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS - 1)}…` : text;
}
