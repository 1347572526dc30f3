import type { AlertCase } from "../alert-case";

/** Where every container has a memory disk of its own. */
const SMALL_DISK = "/tmp";

/** The Docker host. */
export const HOST_CASES: readonly AlertCase[] = [
  {
    title: "the disk is nearly full (a small one that the exporter is told is the host's)",
    fires: [{ rule: "DiskSpaceLow warning host" }, { rule: "DiskSpaceLow critical host" }],
    fault: async (stack) => {
      const changes = { disksMb: { [SMALL_DISK]: 32 }, memoryMb: 96, arguments: [`--path.rootfs=${SMALL_DISK}`] };
      const { container, undo } = await stack.standIn("node-exporter", changes);
      await stack.exec(container, ["dd", "if=/dev/zero", `of=${SMALL_DISK}/filler`, "bs=1M", "count=31"]);
      return undo;
    },
  },
];
