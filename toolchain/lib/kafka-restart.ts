import type Docker from "dockerode";
import { restartContainer } from "./container-restart";
import { containerName } from "./docker-app";
import { messageOf, UserError } from "./errors";
import { stopIfInterrupted } from "./interrupt";
import { brokerContainers, clusterState, kafkaStatus, type KafkaStatus } from "./kafka-status";
import { colours } from "./table";

/** A broker that comes back fetches what it missed. */
const IN_SYNC_WITHIN_MS = 120_000;

const POLL_MS = 1000;

/** Why no broker may be restarted now; `undefined` when nothing is against it. */
export function refusalOf({ brokers, underReplicated }: KafkaStatus): string | undefined {
  const away = brokers.filter(({ present }) => !present).map(({ name }) => name);
  if (away.length > 0) return `${away.join(", ")} is away; without another one Kafka would acknowledge nothing`;
  if (underReplicated > 0) return `${underReplicated} partitions lack a copy in sync; without another one some would acknowledge nothing`;
  return undefined;
}

/**
 * Restarts the brokers one by one; before each, every partition has all its copies in sync.
 * @param containers of the stack
 * @throws UserError when that is not so, or does not become so again; the brokers after that are left alone.
 */
export async function restartKafka(
  docker: Docker,
  containers: readonly Docker.ContainerInfo[],
  say: (line: string) => void,
): Promise<void> {
  const brokers = brokerContainers(containers);
  const names = [...brokers.keys()];
  const status = async (except?: string): Promise<KafkaStatus> => kafkaStatus(await clusterState(docker, containers, except), names, null);
  const refusal = await status().then(refusalOf, messageOf);
  if (refusal !== undefined) throw new UserError(`${refusal}; nothing was restarted`, "docs/runbooks/kafka-broker-down.md");
  for (const [index, [name, info]] of [...brokers].entries()) {
    stopIfInterrupted();
    const started = performance.now();
    await restartContainer(docker.getContainer(info.Id), containerName(info));
    await inSync(name, () => status(name));
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    say(`${colours.green("✔")} [${index + 1}/${names.length}] ${name}: restarted, all copies in sync after ${seconds} s`);
  }
}

/** Waits until, by the view of the others, nothing is against restarting the next one. */
async function inSync(name: string, status: () => Promise<KafkaStatus>): Promise<void> {
  const deadline = performance.now() + IN_SYNC_WITHIN_MS;
  for (;;) {
    stopIfInterrupted();
    const refusal = await status().then(refusalOf, messageOf);
    if (refusal === undefined) return;
    if (performance.now() > deadline) {
      throw new UserError(
        `${name} was restarted, and after ${IN_SYNC_WITHIN_MS / 1000} s still: ${refusal}; the brokers after it were left alone`,
        "docs/runbooks/kafka-broker-down.md",
      );
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
