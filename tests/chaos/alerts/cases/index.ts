import type { AlertCase } from "../alert-case";
import { APP_CASES } from "./app";
import { DATA_CASES } from "./data";
import { EVENT_CASES } from "./events";
import { HOST_CASES } from "./host";
import { MONITORING_CASES } from "./monitoring";
import { POSTGRES_CASES } from "./postgres";

/** Faults, and the alerts that tell of each: all fire, and all are over once it is taken back. */
export const ALERT_CASES: readonly AlertCase[] = [
  ...HOST_CASES,
  ...MONITORING_CASES,
  ...APP_CASES,
  ...DATA_CASES,
  ...EVENT_CASES,
  ...POSTGRES_CASES,
];

/** Rules that no case of the table makes fire, each with the reason. */
export const NOT_TRIED_LIVE: Readonly<Record<string, string>> = {
  "HostCpuHigh warning host":
    "it needs all cores of a machine that others use: it fires while they are busy, but what else runs keeps it from ending",
  "HostMemoryHigh warning host":
    "it needs most of the memory of a machine that others use, whose kernel would begin to end their processes",
  "Watchdog none prometheus": "it has no fault and no end: the test looks that it fires from the beginning",
};
