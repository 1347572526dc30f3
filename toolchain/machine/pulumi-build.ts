import { existsSync, mkdirSync, renameSync } from "node:fs";
import path from "node:path";
import { UserError } from "../lib/errors";
import { cacheDir, executable } from "../lib/paths";
import type { Progress } from "../lib/progress";
import { pulumiVersion } from "../lib/pulumi-cli";
import { goBuild, inWorkDirectory } from "./go-build";
import { INSTALL_PAGE } from "./official";

const MODULE = "github.com/pulumi/pulumi/pkg/v3";
const VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";
const FIX = `install the CLI by hand: ${INSTALL_PAGE}`;

/**
 * A Pulumi CLI built from the Go module proxy, for networks where the download site cannot be reached. Kept in the user's
 * cache directory, so that it is built once for every PULUMI_HOME.
 *
 * @param version without the leading `v`
 * @returns path of the executable in the cache
 */
export async function buildPulumi(version: string, progress: Progress): Promise<string> {
  const target = path.join(cacheDir(), `pulumi-v${version}-${process.platform}-${process.arch}`, executable("pulumi"));
  if (existsSync(target) && pulumiVersion(target) === version) {
    progress.line(`using the one built before, ${target}`);
    return target;
  }
  mkdirSync(path.dirname(target), { recursive: true });
  await inWorkDirectory("pulumi", async (work) => {
    const draft = path.join(work, executable("pulumi"));
    const programs = {
      ...{ what: "the Pulumi CLI", module: MODULE, version: `v${version}`, packages: [`${MODULE}/cmd/pulumi`] },
      ...{ ldflags: `-s -w -X ${VERSION_VARIABLE}=v${version}`, takes: "about 3 minutes on 2 cores", fix: FIX },
    };
    await goBuild(programs, draft, work, progress);
    const built = pulumiVersion(draft);
    if (built !== version) throw new UserError(`the built CLI says it is ${built ?? "nothing that runs"}, not ${version}`, FIX);
    renameSync(draft, target);
  });
  return target;
}
