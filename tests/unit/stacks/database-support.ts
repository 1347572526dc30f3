import type { Recorder } from "../../support/pulumi-mocks";
import { programRig, type ProgramRig, type ProgramRun } from "./support";

/** The program in phase `database`, for the tests of one `describe`. */
export interface DatabaseProgram {
  /** Made before the first test. */
  readonly rig: ProgramRig;
  run(config?: Readonly<Record<string, string>>, stack?: string): Promise<ProgramRun>;
}

/** Call it in a `describe`: it makes the rig before its tests and closes it after them. */
export function databaseProgram(): DatabaseProgram {
  let rig: ProgramRig | undefined;
  before(async () => {
    rig = await programRig();
  });
  after(() => rig?.close());
  const made = (): ProgramRig => {
    if (rig === undefined) throw new Error("The rig is made before the first test, and not by then.");
    return rig;
  };
  return {
    get rig() {
      return made();
    },
    run: (config = {}, stack) => made().run({ phase: "database", ...config }, stack),
  };
}

/** Environment of a container, by name. */
export function envsOf(recorder: Recorder, name: string): Record<string, string> {
  return Object.fromEntries((recorder.get(name).inputs["envs"] as string[]).map((line) => line.split(/=(.*)/s) as [string, string]));
}

/** What the writer of secret files is given, by path. */
export function filesOf(recorder: Recorder, secrets: string): Record<string, string> {
  const uploads = recorder.get(`${secrets}-writer`).inputs["uploads"] as { file: string; content: string }[];
  return Object.fromEntries(uploads.map(({ file, content }) => [file, content]));
}
