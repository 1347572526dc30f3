import { z } from "zod";

/** Schemas of what answers hold. Requests have their own, which say what is allowed; these say what comes. */
export const id = z.string().min(1).max(64);
export const time = z.iso.datetime();
export const date = z.iso.date();
export const count = z.int().min(0);
export const versionNumber = z.int().min(1).describe("grows with every change; also the ETag");
export const times = { createdAt: time, updatedAt: time } as const;
