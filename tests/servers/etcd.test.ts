import assert from "node:assert/strict";
import { ETCD_DATA_DIRECTORY, ETCD_PORT, etcdArguments, etcdContext } from "../../components/local/etcd";
import { dockerCommand, eventually, serviceImage, serviceName, startService, type ServiceContainer } from "../support/services/container";

const HOSTS = ["etcd-1", "etcd-2", "etcd-3"];

describe("F2 three members of etcd", function () {
  this.timeout(110_000);
  const members: ServiceContainer[] = [];
  let network: string;

  const healthOf = async ({ container }: { readonly container: string }): Promise<string> =>
    (await dockerCommand(["inspect", "--format", "{{.State.Health.Status}}", container])).trim();
  const become = (member: ServiceContainer, health: string): Promise<void> =>
    eventually(`${member.container} is ${health}`, async () => (await healthOf(member)) === health);

  before(async () => {
    const image = await serviceImage("etcd", etcdContext());
    network = serviceName("etcd-network");
    await dockerCommand(["network", "create", "--label", `phased-stack.stack=${network}`, network]);
    // As the stack does it: one after the other, each waiting for the health of the one before.
    for (const [index, host] of HOSTS.entries()) {
      members.push(
        await startService({
          kind: host,
          image,
          internalPort: ETCD_PORT,
          create: [
            ...["--network", network, "--network-alias", host, "--memory", "128m", "--read-only"],
            ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
          ],
          volumes: [ETCD_DATA_DIRECTORY],
          command: etcdArguments({ member: index + 1, hosts: HOSTS }),
          ready: async (service) => (await healthOf(service)) === "healthy",
        }),
      );
    }
  });
  after(async () => {
    await Promise.all(members.map((member) => member.remove()));
    await dockerCommand(["network", "rm", network]);
  });

  const put = async (member: ServiceContainer, value: string): Promise<number> => {
    const text = (plain: string): string => Buffer.from(plain).toString("base64");
    const answer = await fetch(`http://${member.host}:${member.port}/v3/kv/put`, {
      method: "POST",
      body: JSON.stringify({ key: text("/test"), value: text(value) }),
      signal: AbortSignal.timeout(10_000),
    });
    return answer.status;
  };

  it("the first one does not wait for a leader that needs the second; all three become healthy", async () => {
    assert.deepEqual(await Promise.all(members.map(healthOf)), ["healthy", "healthy", "healthy"]);
  });

  it("one is lost: the other two take writes, and it is healthy again once it takes part", async () => {
    const [one, two, three] = members as [ServiceContainer, ServiceContainer, ServiceContainer];
    await three.kill();
    assert.deepEqual([await put(one, "a"), await put(two, "b")], [200, 200]);
    await three.start();
    assert.equal(await put(three, "c"), 200);
  });

  it("two are lost: the one that is left is not healthy, also after a restart, until one is back", async () => {
    const [one, two, three] = members as [ServiceContainer, ServiceContainer, ServiceContainer];
    await Promise.all([two.kill(), three.kill()]);
    await become(one, "unhealthy");
    await one.kill();
    await dockerCommand(["start", one.container]);
    // It listens, which is all that a member has to do before its first leader; this one had one.
    await eventually("it listens", async () => {
      const listens = await one.exec(["bash", "-c", "exec 3<> /dev/tcp/127.0.0.1/2379 && echo yes"]);
      return listens.trim() === "yes";
    });
    await assert.rejects(one.exec(["healthcheck.sh"]));
    await two.start();
    await become(one, "healthy");
    assert.equal(await put(one, "d"), 200);
    await three.start();
  });
});
