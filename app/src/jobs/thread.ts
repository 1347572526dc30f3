/**
 * What runs in threads of job workers: everything that keeps a CPU busy. A program of its own (`job-thread.js` in the image); nothing else
 * loads the PDF library.
 */
import { definePDFJSModule, extractText, getDocumentProxy } from "unpdf";
import type { OcrSettings, Recogniser } from "../ocr/recogniser";
import { cutText, type ExtractedText } from "./text";
import { computeTax, type TaxInput, type TaxResult } from "../tax/schedule";

export interface PdfFacts {
  readonly pages: number;
  /** Points (1/72 inch), of the first page as it is shown. */
  readonly width: number;
  readonly height: number;
}

export type ThreadTask =
  | { readonly kind: "tax"; readonly input: TaxInput }
  | { readonly kind: "pdf-facts"; readonly content: Uint8Array }
  | { readonly kind: "pdf-text"; readonly content: Uint8Array }
  | { readonly kind: "image-text"; readonly content: Uint8Array; readonly settings: OcrSettings };

export interface ThreadAnswers {
  readonly tax: TaxResult;
  readonly "pdf-facts": PdfFacts;
  readonly "pdf-text": ExtractedText;
  readonly "image-text": ExtractedText & { readonly confidence: number };
}

/** What a task answers; errors lose their class on the way between threads, so the one that is the content's own fault is a value. */
export type ThreadAnswer = { readonly value: ThreadAnswers[ThreadTask["kind"]] } | { readonly unreadable: string };

class UnreadableError extends Error {
  override readonly name = "UnreadableError";
}

export default async function run(task: ThreadTask): Promise<ThreadAnswer> {
  try {
    return { value: await answer(task) };
  } catch (error) {
    if (error instanceof UnreadableError) return { unreadable: error.message };
    throw error;
  }
}

async function answer(task: ThreadTask): Promise<ThreadAnswers[ThreadTask["kind"]]> {
  switch (task.kind) {
    case "tax":
      return computeTax(task.input);
    case "pdf-facts": {
      const document = await openPdf(task.content);
      const { width, height } = (await document.getPage(1)).getViewport({ scale: 1 });
      return { pages: document.numPages, width: Math.round(width), height: Math.round(height) };
    }
    case "pdf-text": {
      const document = await openPdf(task.content);
      const { text } = await extractText(document, { mergePages: true });
      return cutText(text);
    }
    case "image-text":
      return recognise(task.content, task.settings);
  }
}

/** Kept for the next image, and gone with the thread when there is none for a while. */
let recogniser: Recogniser | undefined;

async function recognise(content: Uint8Array, settings: OcrSettings): Promise<ThreadAnswers["image-text"]> {
  const { Recogniser, UnreadableImageError } = await import("../ocr/recogniser.js");
  const current = (recogniser ??= await Recogniser.create(settings));
  try {
    const { text, confidence } = current.recognise(content);
    return { ...cutText(text), confidence };
  } catch (error) {
    if (error instanceof UnreadableImageError) throw new UnreadableError(error.message);
    throw error;
  } finally {
    if (!current.reusable) recogniser = undefined;
  }
}

async function openPdf(content: Uint8Array): ReturnType<typeof getDocumentProxy> {
  try {
    await definePDFJSModule(() => import("unpdf/pdfjs"));
    return await getDocumentProxy(content, { verbosity: 0 });
  } catch (error) {
    throw new UnreadableError(`The PDF cannot be read: ${(error as Error).message}`);
  }
}
