import assert from "node:assert/strict";
import { benchmarkSection, figures, insertSection, ratios, type Samples } from "../../../toolchain/bench/figures";

const SAMPLES: Samples = {
  pulumiUp: [6000, 9000, 6600],
  pulumiNoOp: [2900, 2500, 3100],
  pulumiPreview: [2000, 2000, 2000],
  pulumiDestroy: [3000, 3000, 3000],
  composeUp: [5000, 10_000, 6000],
  composeNoOp: [400, 500, 400],
  composeDown: [2000, 2000, 2000],
  programStart: [1400, 1600, 1450],
};

const WHERE = {
  date: "2026-11-21",
  machine: "2 cores",
  docker: "20.10",
  compose: "2.40",
  node: "24.0.0",
  pulumi: "3.259.0",
  plugins: "stand-in",
  rounds: 3,
};

describe("bench provision: from samples to figures", () => {
  it("takes the median of the rounds' ratios, not the ratio of the medians", () => {
    const [up] = figures(SAMPLES);
    assert.deepEqual(ratios(SAMPLES.pulumiUp, SAMPLES.composeUp), [1.2, 0.9, 1.1]);
    assert.equal(up?.ratio, 1.1);
    assert.equal(up.ours, 6.6);
    assert.equal(up.theirs, 6);
    assert.equal(up.met, true);
  });

  it("says which goals are met and which are missed", () => {
    const met = (samples: Samples): unknown[] => figures(samples).map((figure) => figure.met);
    assert.deepEqual(met(SAMPLES), [true, true, undefined, undefined, true]);
    const slow = { ...SAMPLES, pulumiUp: [14_000, 14_000, 14_000], pulumiNoOp: [3001, 3001, 3001], programStart: [1501, 1501, 1501] };
    assert.deepEqual(met(slow), [false, false, undefined, undefined, false]);
  });

  it("a round that only one side finished gives no ratio", () => {
    assert.deepEqual(ratios([1, 2, 3], [1, 2]), [1, 1]);
  });

  it("the section carries date, machine, plugins and every single round", () => {
    const text = benchmarkSection(figures(SAMPLES), SAMPLES, WHERE);
    assert.match(text, /^### 2026-11-21, stand-in plugins\n/);
    assert.match(text, /\| up from nothing ÷ compose up --wait \| 6\.60 s \| 6\.00 s \| 1\.10 \| ≤ 1\.3 \| met \|/);
    assert.match(text, /up 6\.00 9\.00 6\.60;/);
  });
});

describe("bench: sections of BENCHMARKS.md", () => {
  const HEADING = "## Provisioning";
  const section = (title: string, body: string): string => `### ${title}\n\n${body}\n`;

  it("go under their heading, which is added when it is missing", () => {
    const text = insertSection("# Benchmarks\n", HEADING, section("2026-11-21", "new"));
    assert.equal(text, "# Benchmarks\n\n## Provisioning\n\n### 2026-11-21\n\nnew\n");
  });

  it("stand newest first and leave everything else as it is", () => {
    const before =
      "# Benchmarks\n\nIntro.\n\n## Provisioning\n\nWhat is measured.\n\n### 2026-10-01\n\nold\n\n## Other\n\n### 2026-10-01\n\nother\n";
    const after = insertSection(before, HEADING, section("2026-11-21", "new"));
    assert.equal(
      after,
      "# Benchmarks\n\nIntro.\n\n## Provisioning\n\nWhat is measured.\n\n### 2026-11-21\n\nnew\n\n### 2026-10-01\n\nold\n\n## Other\n\n### 2026-10-01\n\nother\n",
    );
  });

  it("replace one of the same title, so that measuring again on a day does not pile up", () => {
    const once = insertSection("# Benchmarks\n", HEADING, section("2026-11-21", "first"));
    const twice = insertSection(once, HEADING, section("2026-11-21", "second"));
    assert.equal(twice, once.replace("first", "second"));
  });
});
