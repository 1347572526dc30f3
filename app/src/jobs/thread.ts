/**
 * What runs in threads of job workers: everything that keeps a CPU busy. A program of its own (`job-thread.js` in the image); nothing else
 * loads the PDF library.
 */
import { definePDFJSModule, extractText, getDocumentProxy } from "unpdf";
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
  | { readonly kind: "pdf-text"; readonly content: Uint8Array };

export interface ThreadAnswers {
  readonly tax: TaxResult;
  readonly "pdf-facts": PdfFacts;
  readonly "pdf-text": ExtractedText;
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
