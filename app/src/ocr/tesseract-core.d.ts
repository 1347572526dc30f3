/** As much of the WebAssembly build of Tesseract as the app uses; the package has no types. */
declare module "tesseract.js-core/tesseract-core-simd-lstm" {
  export interface TessBaseApi {
    /** @param engine 1 is the neural network. @returns 0, or -1 when the language data is not usable. */
    Init(dataPath: null, languages: string, engine: number): number;
    SetVariable(name: string, value: string): boolean;
    /** Decodes the file `/input`. @param orientation as in Exif, 1–8. @returns 1 when it is no image that can be decoded. */
    SetImageFile(orientation: number, angle: number): number;
    Recognize(monitor: null): number;
    GetUTF8Text(): string;
    /** Percent. */
    MeanTextConf(): number;
    Clear(): void;
  }

  export interface TesseractModule {
    readonly FS: { writeFile(name: string, content: Uint8Array): void; unlink(name: string): void };
    readonly TessBaseAPI: new () => TessBaseApi;
  }

  export interface ModuleOptions {
    readonly print: (line: string) => void;
    readonly printErr: (line: string) => void;
    readonly instantiateWasm: (
      imports: WebAssembly.Imports,
      done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
    ) => Record<string, never>;
  }

  export default function createModule(options: ModuleOptions): Promise<TesseractModule>;
}
