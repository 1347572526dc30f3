import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import createModule, { type TessBaseApi, type TesseractModule } from "tesseract.js-core/tesseract-core-simd-lstm";
import { languageFile, ocrFile, OCR_PROGRAM } from "./files";
import type { OcrLanguage } from "./languages";
import { orientationOf } from "./orientation";

/** How images are read. */
export interface OcrSettings {
  /** The first one counts most. */
  readonly languages: readonly OcrLanguage[];
  /** WebAssembly's memory at most, MiB. */
  readonly memoryMb: number;
}

export interface RecognisedText {
  readonly text: string;
  /** How sure the recogniser is of it, percent. */
  readonly confidence: number;
}

/** The image is at fault; trying again is of no use. */
export class UnreadableImageError extends Error {
  override readonly name = "UnreadableImageError";
}

const PAGE_BYTES = 65_536;
const BYTES_PER_MB = 1024 ** 2;

/** Emscripten asks with 20, 10 and 5 % to spare before it tells the program that there is no more memory. */
const GROWTH_ATTEMPTS = 3;

/** The engine that is a neural network, the only one in this build. */
const LSTM_ENGINE = 1;

/** The page is looked through for blocks of text, without guessing at its orientation. */
const AUTOMATIC_LAYOUT = "3";

/**
 * A recogniser whose memory grew beyond this is not kept, MiB: WebAssembly's memory never shrinks. It starts with 21, and making
 * a new one was measured at 80 ms.
 */
const KEPT_MEMORY_MB = 64;

/** Reads text in images with Tesseract. Keeps a CPU busy, so it belongs into a thread. One image at a time. */
export class Recogniser {
  /** It was told that there is no more memory, or trapped. */
  private refused = false;

  private constructor(
    private readonly module: TesseractModule,
    private readonly api: TessBaseApi,
    private readonly memory: WebAssembly.Memory,
    readonly settings: OcrSettings,
  ) {}

  /** @throws Error when the language data is not that of this version. */
  static async create(settings: OcrSettings): Promise<Recogniser> {
    const compiled = await WebAssembly.compile(await readFile(ocrFile(OCR_PROGRAM)));
    let memory: WebAssembly.Memory | undefined;
    const module = await createModule({
      // What it says about damaged images; the answer says it.
      print: () => undefined,
      printErr: () => undefined,
      instantiateWasm: (imports, done) => {
        const instance = new WebAssembly.Instance(compiled, imports);
        memory = Object.values(instance.exports).find((each) => each instanceof WebAssembly.Memory);
        done(instance, compiled);
        return {};
      },
    });
    if (memory === undefined) throw new Error("The recogniser's WebAssembly does not show its memory, which then cannot be bounded.");
    for (const language of settings.languages) {
      const data = await promisify(gunzip)(await readFile(ocrFile(languageFile(language))));
      module.FS.writeFile(`/${language}.traineddata`, data);
    }
    const api = new module.TessBaseAPI();
    const recogniser = new Recogniser(module, api, memory, settings);
    recogniser.bound();
    if (api.Init(null, settings.languages.join("+"), LSTM_ENGINE) !== 0) {
      throw new Error(`The data of ${settings.languages.join(", ")} is not what the recogniser takes.`);
    }
    api.SetVariable("tessedit_pageseg_mode", AUTOMATIC_LAYOUT);
    return recogniser;
  }

  /** Whether it is fit for the next image. */
  get reusable(): boolean {
    return !this.refused && this.memory.buffer.byteLength <= KEPT_MEMORY_MB * BYTES_PER_MB;
  }

  /** @throws UnreadableImageError; the recogniser is of no more use when it was for want of memory or a trap: see {@link reusable}. */
  recognise(image: Uint8Array): RecognisedText {
    const { module, api } = this;
    try {
      module.FS.writeFile("/input", image);
      if (api.SetImageFile(orientationOf(image), 0) !== 0) throw new UnreadableImageError(this.reason());
      module.FS.unlink("/input");
      if (api.Recognize(null) !== 0) throw new UnreadableImageError(this.reason());
      const read = { text: api.GetUTF8Text(), confidence: api.MeanTextConf() };
      // Layers that want memory and do not get it go on without: what they then find is not what is there.
      if (this.refused) throw new UnreadableImageError(this.reason());
      api.Clear();
      return read;
    } catch (error) {
      if (error instanceof UnreadableImageError) throw error;
      const outOfMemory = this.refused;
      this.refused = true;
      if (outOfMemory) throw new UnreadableImageError(this.reason());
      throw new UnreadableImageError(`The image cannot be read: the recogniser failed at it (${String(error).slice(0, 120)}).`);
    }
  }

  private reason(): string {
    return this.refused
      ? `Reading the image takes more than the ${this.settings.memoryMb} MiB of memory there are for it; send a smaller one.`
      : "The image cannot be read: it is damaged, or no image after its first bytes.";
  }

  /** Its memory grows by calls of `grow` from its JavaScript; the one on the object goes before the one of the class. */
  private bound(): void {
    const { memory, settings } = this;
    const grow = memory.grow.bind(memory);
    let attempts = 0;
    memory.grow = (pages) => {
      if (memory.buffer.byteLength + pages * PAGE_BYTES <= settings.memoryMb * BYTES_PER_MB) {
        attempts = 0;
        return grow(pages);
      }
      attempts += 1;
      if (attempts >= GROWTH_ATTEMPTS) this.refused = true;
      throw new RangeError("more than the memory allowed");
    };
  }
}
