import assert from "node:assert/strict";
import fc from "fast-check";
import {
  computeTax,
  FILING_STATUSES,
  MOST_TAX_CENTS,
  TAX_SCHEDULES,
  TAX_YEARS,
  type TaxInput,
  type TaxResult,
} from "../../../app/src/tax/schedule";

const income = fc.oneof(fc.integer({ min: 0, max: MOST_TAX_CENTS }), fc.integer({ min: 0, max: 100_000_000 }));
const situation = fc.record({
  taxYear: fc.constantFrom(...TAX_YEARS),
  filingStatus: fc.constantFrom(...FILING_STATUSES),
  adjustmentsCents: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 10_000_000 })),
  itemizedDeductionsCents: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 10_000_000 })),
  additionalDeductions: fc.integer({ min: 0, max: 4 }),
});

const simple = (grossIncomeDollars: number, changes: Partial<TaxInput> = {}): TaxResult =>
  computeTax({
    taxYear: 2024,
    filingStatus: "single",
    grossIncomeCents: grossIncomeDollars * 100,
    adjustmentsCents: 0,
    itemizedDeductionsCents: 0,
    additionalDeductions: 0,
    ...changes,
  });

describe("D5 tax schedule", () => {
  it("computes what the schedule's own arithmetic gives, to the cent", () => {
    // $50,000 single in 2024: 35,400 taxable = 1,160 on the first 11,600 and 12 % of the other 23,800.
    const middle = simple(50_000);
    assert.deepEqual([middle.taxableIncomeCents, middle.taxCents, middle.marginalRateBp], [3_540_000, 401_600, 1200]);
    // Rev. Proc. 2023-34, table 3: over 243,725 is 55,678.50 plus 35 % of the excess.
    assert.equal(simple(243_725 + 14_600).taxCents, 5_567_850);
    // Table 3, over 609,350: 183,647.25 plus 37 %.
    assert.equal(simple(609_350 + 14_600 + 1000).taxCents, 18_364_725 + 37_000);
    // Table 1, joint, over 731,200: 196,669.50 plus 37 %.
    assert.equal(simple(731_200 + 29_200, { filingStatus: "married-jointly" }).taxCents, 19_666_950);
    // Rev. Proc. 2024-40, table 3: over 626,350 is 188,769.75.
    assert.equal(simple(626_350 + 15_750, { taxYear: 2025 }).taxCents, 18_876_975);
    // Table 2, head of household, over 626,350: 187,031.50.
    assert.equal(simple(626_350 + 23_625, { taxYear: 2025, filingStatus: "head-of-household" }).taxCents, 18_703_150);
    // Table 4, separately, over 375,800: 101,077.25.
    assert.equal(simple(375_800 + 15_750, { taxYear: 2025, filingStatus: "married-separately" }).taxCents, 10_107_725);
  });

  it("takes the larger of standard and itemized deductions, and adds what age and blindness give", () => {
    assert.deepEqual([simple(50_000).deductionKind, simple(50_000).deductionCents], ["standard", 1_460_000]);
    const itemized = simple(50_000, { itemizedDeductionsCents: 1_460_001 });
    assert.deepEqual([itemized.deductionKind, itemized.deductionCents], ["itemized", 1_460_001]);
    assert.equal(simple(50_000, { additionalDeductions: 2 }).deductionCents, 1_460_000 + 2 * 195_000);
    assert.deepEqual([simple(10_000).taxCents, simple(10_000).effectiveRateBp, simple(0).effectiveRateBp], [0, 0, 0]);
    assert.equal(simple(50_000, { adjustmentsCents: 6_000_000 }).adjustedIncomeCents, 0);
  });

  it("has brackets that grow without a gap up to an open one, for every year and filing status", () => {
    for (const year of TAX_YEARS) {
      const { brackets, source } = TAX_SCHEDULES[year];
      assert.match(source, /Rev\. Proc\./);
      for (const status of FILING_STATUSES) {
        const ends = brackets[status].map(({ upToDollars }) => upToDollars ?? Infinity);
        const rates = brackets[status].map(({ rateBp }) => rateBp);
        for (let index = 1; index < ends.length; index++) {
          assert.ok(ends[index]! > ends[index - 1]! && rates[index]! > rates[index - 1]!);
        }
        assert.equal(ends.at(-1), Infinity);
      }
    }
  });

  it("is monotone: more income is never less tax, and never more than the income on top (property)", () => {
    fc.assert(
      fc.property(situation, income, income, (rest, one, two) => {
        const [less, more] = one < two ? [one, two] : [two, one];
        const [low, high] = [less, more].map((grossIncomeCents) => computeTax({ ...rest, grossIncomeCents }).taxCents) as [number, number];
        assert.ok(high >= low);
        // The top rate on the difference is the most; half a cent of rounding at each end.
        assert.ok(high - low <= (more - less) * 0.37 + 1);
      }),
      { numRuns: 2000 },
    );
  });

  it("is continuous: one cent more is at most one cent more tax, also where a bracket ends (property)", () => {
    const edges = TAX_YEARS.flatMap((taxYear) =>
      FILING_STATUSES.flatMap((filingStatus) =>
        TAX_SCHEDULES[taxYear].brackets[filingStatus].flatMap(({ upToDollars }) =>
          upToDollars === null
            ? []
            : [{ taxYear, filingStatus, cents: (upToDollars + TAX_SCHEDULES[taxYear].standardDeductionDollars[filingStatus]) * 100 }],
        ),
      ),
    );
    fc.assert(
      fc.property(fc.constantFrom(...edges), fc.integer({ min: -3, max: 3 }), ({ taxYear, filingStatus, cents }, off) => {
        const tax = (grossIncomeCents: number): number =>
          computeTax({
            taxYear,
            filingStatus,
            grossIncomeCents,
            adjustmentsCents: 0,
            itemizedDeductionsCents: 0,
            additionalDeductions: 0,
          }).taxCents;
        const step = tax(cents + off + 1) - tax(cents + off);
        assert.ok(step === 0 || step === 1);
      }),
      { numRuns: 2000 },
    );
  });

  it("is never negative, never above the top rate, and its brackets add up to the taxable income (property)", () => {
    fc.assert(
      fc.property(situation, income, (rest, grossIncomeCents) => {
        const result = computeTax({ ...rest, grossIncomeCents });
        assert.ok(result.taxCents >= 0 && Number.isSafeInteger(result.taxCents));
        assert.ok(result.marginalRateBp <= 3700 && result.effectiveRateBp <= 3700);
        assert.ok(result.taxCents <= result.taxableIncomeCents * 0.37 + 1);
        assert.equal(
          result.brackets.reduce((sum, { taxedCents }) => sum + taxedCents, 0),
          result.taxableIncomeCents,
        );
        assert.ok(result.brackets.every(({ taxedCents }) => taxedCents >= 0));
        assert.equal(result.marginalRateBp, result.brackets.at(-1)?.rateBp);
      }),
      { numRuns: 2000 },
    );
  });

  it("takes no less for a deduction more, and refuses what is no amount (property)", () => {
    fc.assert(
      fc.property(situation, income, fc.integer({ min: 1, max: 10_000_000 }), (rest, grossIncomeCents, more) => {
        const before = computeTax({ ...rest, grossIncomeCents }).taxCents;
        const after = computeTax({ ...rest, grossIncomeCents, itemizedDeductionsCents: rest.itemizedDeductionsCents + more }).taxCents;
        assert.ok(after <= before);
      }),
    );
    for (const cents of [-1, 0.5, NaN, Infinity, MOST_TAX_CENTS + 1]) {
      assert.throws(() => simple(0, { grossIncomeCents: cents }), RangeError);
    }
    assert.throws(() => simple(0, { additionalDeductions: 5 }), RangeError);
  });
});
