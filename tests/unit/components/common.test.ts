import assert from "node:assert/strict";
import { dockerCpus, hardened } from "../../../components/local/common";

describe("settings all containers share", () => {
  it("memory and swap are equal: otherwise every up shows an update", () => {
    const settings = hardened({ service: "x", memoryMb: 300, stopSeconds: 5, tmpMb: 16 });
    assert.deepEqual([settings.memory, settings.memorySwap], [300, 300]);
    assert.equal("cpus" in settings, false);
  });

  it("CPUs are spelled as the provider reads them back: otherwise every up replaces the container", () => {
    const spelled: [number, string][] = [
      [1, "1.0"],
      [2, "2.0"],
      [10, "10."],
      [12, "12.0"],
      [0.5, "0.5"],
      [1.5, "1.5"],
      [0.25, "0.25"],
      [0.05, "0.1"],
      [10.05, "10."],
      [100.25, "100.2"],
    ];
    for (const [cpus, text] of spelled) assert.equal(dockerCpus(cpus), text);
  });
});
