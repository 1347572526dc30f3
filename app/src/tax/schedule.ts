/** US federal income tax of individuals as data. Amounts are whole dollars, rates are basis points (hundredths of a percent). */

export const TAX_YEARS = [2024, 2025] as const;
export type TaxYear = (typeof TAX_YEARS)[number];

export const FILING_STATUSES = ["single", "married-jointly", "married-separately", "head-of-household"] as const;
export type FilingStatus = (typeof FILING_STATUSES)[number];

/** Income from the bracket below up to `upToDollars` is taxed at `rateBp`; the last bracket has no end. */
export interface Bracket {
  readonly upToDollars: number | null;
  readonly rateBp: number;
}

/** The rules of one year. */
export interface TaxSchedule {
  /** Where the numbers come from. */
  readonly source: string;
  readonly brackets: Readonly<Record<FilingStatus, readonly Bracket[]>>;
  readonly standardDeductionDollars: Readonly<Record<FilingStatus, number>>;
  /** Added to the standard deduction for each taxpayer who is 65 or older, and for each who is blind. */
  readonly additionalDeductionDollars: Readonly<Record<FilingStatus, number>>;
}

/** The seven rates of 26 U.S.C. § 1(j), the same for every filing status. */
const RATES_BP = [1000, 1200, 2200, 2400, 3200, 3500, 3700] as const;

/** The brackets that end at these amounts, and the last one without an end. */
function brackets(...ends: readonly [number, number, number, number, number, number]): readonly Bracket[] {
  return RATES_BP.map((rateBp, index) => ({ upToDollars: ends[index] ?? null, rateBp }));
}

export const TAX_SCHEDULES: Readonly<Record<TaxYear, TaxSchedule>> = {
  2024: {
    source: "IRS Rev. Proc. 2023-34, sections 3.01 and 3.15",
    brackets: {
      single: brackets(11_600, 47_150, 100_525, 191_950, 243_725, 609_350),
      "married-jointly": brackets(23_200, 94_300, 201_050, 383_900, 487_450, 731_200),
      "married-separately": brackets(11_600, 47_150, 100_525, 191_950, 243_725, 365_600),
      "head-of-household": brackets(16_550, 63_100, 100_500, 191_950, 243_700, 609_350),
    },
    standardDeductionDollars: {
      single: 14_600,
      "married-jointly": 29_200,
      "married-separately": 14_600,
      "head-of-household": 21_900,
    },
    additionalDeductionDollars: { single: 1950, "married-jointly": 1550, "married-separately": 1550, "head-of-household": 1950 },
  },
  2025: {
    source: "IRS Rev. Proc. 2024-40, sections 2.01 and 2.15; standard deduction as raised by Public Law 119-21, section 70102",
    brackets: {
      single: brackets(11_925, 48_475, 103_350, 197_300, 250_525, 626_350),
      "married-jointly": brackets(23_850, 96_950, 206_700, 394_600, 501_050, 751_600),
      "married-separately": brackets(11_925, 48_475, 103_350, 197_300, 250_525, 375_800),
      "head-of-household": brackets(17_000, 64_850, 103_350, 197_300, 250_500, 626_350),
    },
    standardDeductionDollars: {
      single: 15_750,
      "married-jointly": 31_500,
      "married-separately": 15_750,
      "head-of-household": 23_625,
    },
    additionalDeductionDollars: { single: 2000, "married-jointly": 1600, "married-separately": 1600, "head-of-household": 2000 },
  },
};

/** Largest income or deduction that is computed, in cents (ten billion dollars): times a rate in basis points it is an exact double. */
export const MOST_TAX_CENTS = 1_000_000_000_000;

/** What a tax is computed from. Amounts are whole cents from 0 to {@link MOST_TAX_CENTS}. */
export interface TaxInput {
  readonly taxYear: TaxYear;
  readonly filingStatus: FilingStatus;
  readonly grossIncomeCents: number;
  /** Adjustments to income, such as contributions to a retirement account. */
  readonly adjustmentsCents: number;
  /** Itemized deductions; used instead of the standard deduction when they are higher. */
  readonly itemizedDeductionsCents: number;
  /** How many times the additional deduction applies: aged 65 and blind count once each, for each of the taxpayers; 0 to 4. */
  readonly additionalDeductions: number;
}

/** The part of the income that fell into one bracket. */
export interface TaxedBracket {
  readonly rateBp: number;
  readonly fromCents: number;
  readonly toCents: number | null;
  readonly taxedCents: number;
}

/** A computed tax. Amounts are whole cents, rates basis points. */
export interface TaxResult {
  readonly source: string;
  readonly adjustedIncomeCents: number;
  readonly deductionKind: "standard" | "itemized";
  readonly deductionCents: number;
  readonly taxableIncomeCents: number;
  readonly taxCents: number;
  /** Rate on the next cent of taxable income. */
  readonly marginalRateBp: number;
  /** Tax as a share of gross income, rounded; 0 without income. */
  readonly effectiveRateBp: number;
  /** Brackets that the income reached, from below. */
  readonly brackets: readonly TaxedBracket[];
}

const BASIS = 10_000;

/**
 * The income tax of one year. Pure; the same code answers the endpoint and runs in the job.
 * @throws RangeError for amounts outside of what {@link TaxInput} allows; callers validate before.
 */
export function computeTax(input: TaxInput): TaxResult {
  requireAmounts(input);
  const schedule = TAX_SCHEDULES[input.taxYear];
  const standardCents = standardDeductionCents(schedule, input);
  const itemized = input.itemizedDeductionsCents > standardCents;
  const deductionCents = itemized ? input.itemizedDeductionsCents : standardCents;
  const adjustedIncomeCents = Math.max(0, input.grossIncomeCents - input.adjustmentsCents);
  const taxableIncomeCents = Math.max(0, adjustedIncomeCents - deductionCents);
  const taxed = splitByBracket(taxableIncomeCents, schedule.brackets[input.filingStatus]);
  // Summed exactly in cents × basis points and rounded once, so that no bracket's rounding adds to another's.
  const taxCents = Math.round(taxed.reduce((sum, { taxedCents, rateBp }) => sum + taxedCents * rateBp, 0) / BASIS);
  return {
    source: schedule.source,
    adjustedIncomeCents,
    deductionKind: itemized ? "itemized" : "standard",
    deductionCents,
    taxableIncomeCents,
    taxCents,
    marginalRateBp: taxed.at(-1)?.rateBp ?? 0,
    effectiveRateBp: input.grossIncomeCents === 0 ? 0 : Math.round((taxCents / input.grossIncomeCents) * BASIS),
    brackets: taxed,
  };
}

function standardDeductionCents(schedule: TaxSchedule, { filingStatus, additionalDeductions }: TaxInput): number {
  const additional = schedule.additionalDeductionDollars[filingStatus] * additionalDeductions;
  return (schedule.standardDeductionDollars[filingStatus] + additional) * 100;
}

function splitByBracket(incomeCents: number, list: readonly Bracket[]): TaxedBracket[] {
  const taxed: TaxedBracket[] = [];
  let fromCents = 0;
  for (const { upToDollars, rateBp } of list) {
    const toCents = upToDollars === null ? null : upToDollars * 100;
    taxed.push({ rateBp, fromCents, toCents, taxedCents: Math.min(incomeCents, toCents ?? incomeCents) - fromCents });
    // The cent after the last one of a bracket belongs to the next, which makes its rate the marginal one.
    if (toCents === null || incomeCents < toCents) break;
    fromCents = toCents;
  }
  return taxed;
}

function requireAmounts(input: TaxInput): void {
  for (const amount of [input.grossIncomeCents, input.adjustmentsCents, input.itemizedDeductionsCents]) {
    if (!Number.isInteger(amount) || amount < 0 || amount > MOST_TAX_CENTS) throw new RangeError(`${amount} is no amount in cents.`);
  }
  if (!Number.isInteger(input.additionalDeductions) || input.additionalDeductions < 0 || input.additionalDeductions > 4) {
    throw new RangeError(`${input.additionalDeductions} is no number of additional deductions.`);
  }
}
