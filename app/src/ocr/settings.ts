import type { AppConfig } from "../config";
import type { OcrSettings } from "./recogniser";

/** What an image of the largest size that is taken needs, with room; MiB. */
const MOST_MEMORY_MB = 320;

/** What a small picture needs, MiB; measured 21. */
const LEAST_MEMORY_MB = 32;

/** Resident size of a worker at work, MiB. */
const WORKER_MB = 100;

/** A thread with its heap and the recogniser's compiled code, MiB; measured 45 beside WebAssembly's own memory. */
export const THREAD_MB = 60;

/**
 * How images are read in this instance: with as much memory as its cgroup leaves beside its workers, so that an image that wants more
 * fails alone instead of having the kernel kill a worker.
 */
export function ocrSettings({ documents, cluster }: Pick<AppConfig, "documents" | "cluster">): OcrSettings {
  const { residentLimitMb, workers } = cluster;
  const room = residentLimitMb === undefined ? Infinity : workers * (residentLimitMb - WORKER_MB) - THREAD_MB;
  return { languages: documents.ocrLanguages, memoryMb: Math.max(LEAST_MEMORY_MB, Math.min(MOST_MEMORY_MB, room)) };
}
