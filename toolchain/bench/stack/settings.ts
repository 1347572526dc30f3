import type { Generator, LoadSettings } from "../app/load";
import type { CpuMeter } from "./cpu";
import type { StackRig } from "./rig";
import type { WarmUp } from "./warm-up";

/** What every part of the measurement gets. */
export interface Common {
  readonly rig: StackRig;
  readonly generator: Generator;
  /** Counted pairs. */
  readonly rounds: number;
  readonly load: LoadSettings;
  readonly warmUp: WarmUp;
  readonly meter: CpuMeter;
  readonly onStep: (text: string) => void;
  /** Throws when the user wants no more. */
  readonly checkpoint: () => void;
}
