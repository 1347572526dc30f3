/** As much of WebAssembly as the app uses: its types are those of browsers, which the rest of the app is not to see. */
declare namespace WebAssembly {
  type Imports = Readonly<Record<string, unknown>>;

  class Memory {
    private constructor();
    readonly buffer: ArrayBuffer;
    /** @returns pages before. @throws RangeError when there is no more. */
    grow: (pages: number) => number;
  }

  class Instance {
    constructor(module: Module, imports: Imports);
    readonly exports: Readonly<Record<string, unknown>>;
  }

  function compile(bytes: Uint8Array): Promise<Module>;
}
