/**
 * Languages whose data is packaged with the app. Another one is its package `@tesseract.js-data/<language>` installed, and its name here:
 * nothing is ever downloaded while the app runs.
 */
export const OCR_LANGUAGES = ["eng", "spa"] as const;
export type OcrLanguage = (typeof OCR_LANGUAGES)[number];
