/**
 * Writes the Kubernetes objects of a stack as YAML, from a run of the program under mocks, for other linters and clusters:
 * `node --import tsx tests/support/write-manifests.ts STACK FILE`
 */
import { writeFileSync } from "node:fs";
import { kubernetesManifests, KUBERNETES_STACKS } from "./kubernetes/programs";
import { yamlOf } from "./manifests";

const [name = "", file = ""] = process.argv.slice(2);
const stack = KUBERNETES_STACKS.find((known) => known === name);
if (stack === undefined || file === "") {
  process.stderr.write(`usage: write-manifests.ts ${KUBERNETES_STACKS.join("|")} FILE\n`);
  process.exitCode = 2;
} else {
  kubernetesManifests(stack)
    .then((manifests) => writeFileSync(file, yamlOf(manifests)))
    .catch((error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    });
}
