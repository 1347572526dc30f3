import { existsSync } from "node:fs";
import path from "node:path";
import { OCR_LANGUAGES, type OcrLanguage } from "./languages";

/** Directory of the files beside the bundled program. */
export const OCR_DIRECTORY = "ocr";

/** The recogniser's WebAssembly: with SIMD, which every CPU that Node 24 is built for has, and without the engine before neural networks. */
export const OCR_PROGRAM = "tesseract-core-simd-lstm.wasm";

export const languageFile = (language: OcrLanguage): string => `${language}.traineddata.gz`;

/**
 * Where each file comes from, as module specifiers. Language data is the one with weights rounded to integers: a fifth of the size of
 * the full data and faster, at nearly the same accuracy.
 */
const SOURCES: Readonly<Record<string, string>> = {
  [OCR_PROGRAM]: `tesseract.js-core/${OCR_PROGRAM}`,
  ...Object.fromEntries(
    OCR_LANGUAGES.map((language) => [languageFile(language), `@tesseract.js-data/${language}/4.0.0_best_int/${languageFile(language)}`]),
  ),
};

/** What the recogniser reads from disk, with where it is installed: for what assembles the image. */
export function installedOcrFiles(): { readonly name: string; readonly file: string }[] {
  return Object.entries(SOURCES).map(([name, source]) => ({ name, file: require.resolve(source) }));
}

/** Path of one of the recogniser's files: beside the bundle in the image, among the installed packages in the source tree. */
export function ocrFile(name: string): string {
  const bundled = path.join(__dirname, OCR_DIRECTORY, name);
  return existsSync(bundled) ? bundled : require.resolve(SOURCES[name] ?? name);
}
