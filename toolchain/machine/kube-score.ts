import { existsSync, mkdirSync, renameSync } from "node:fs";
import path from "node:path";
import { cacheDir, executable } from "../lib/paths";
import { goBuild, inWorkDirectory } from "./go-build";
import type { State, Step } from "./types";

/** The version whose checks the exceptions of tests/support/kubernetes/kube-score.ts are about. */
export const KUBE_SCORE_VERSION = "1.20.0";

const MODULE = "github.com/zegl/kube-score";
const FIX = "set KUBE_SCORE to the path of a kube-score";

const installed = (): string =>
  path.join(cacheDir(), `kube-score-v${KUBE_SCORE_VERSION}-${process.platform}-${process.arch}`, executable("kube-score"));

/** kube-score: the program that `KUBE_SCORE` names, else the one in this project's cache; undefined when there is none. */
export function findKubeScore(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = env["KUBE_SCORE"];
  const file = named !== undefined && named !== "" ? named : installed();
  return existsSync(file) ? file : undefined;
}

/** The step that builds kube-score from the Go module proxy; only the tests that hold manifests against its checks need it. */
export function kubeScoreStep(): Step {
  // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous, this check is not
  const check = async (): Promise<State> => {
    const file = findKubeScore();
    if (file !== undefined) return { kind: "ok", detail: file };
    return {
      kind: "missing",
      detail: `kube-score ${KUBE_SCORE_VERSION} is not at ${installed()}`,
      fix: "npm run test:kubernetes builds it",
    };
  };
  return {
    id: "kube-score",
    title: `kube-score ${KUBE_SCORE_VERSION}`,
    check,
    ensure: async ({ progress }) => {
      if ((await check()).kind === "ok") return;
      await inWorkDirectory("kube-score", async (work) => {
        const draft = path.join(work, executable("kube-score"));
        const programs = { what: "kube-score", module: MODULE, version: `v${KUBE_SCORE_VERSION}`, packages: [`${MODULE}/cmd/kube-score`] };
        await goBuild({ ...programs, takes: "about a minute on 2 cores", fix: FIX }, draft, work, progress);
        mkdirSync(path.dirname(installed()), { recursive: true });
        renameSync(draft, installed());
      });
    },
  };
}
