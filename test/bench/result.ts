/** A figure that may be at most its target. */
export interface Claim {
  readonly what: string;
  readonly value: number;
  readonly target: number;
  /** The process whose time it is; none where it is of no time, or of the bench's own. */
  readonly process?: MeasuredPart;
  /** Where a row says itself why the figure is as high as it is, because no profile does. */
  readonly why?: Why;
}

/** A process of Node that a row runs, or a part of what it does. */
export interface MeasuredPart {
  readonly name: string;
  /** What stands in its command line, and in no earlier one of the row's. */
  readonly words: readonly string[];
  /** Functions: only what the last of them does, called by the one before it, and so on, is on the clock. */
  readonly within?: readonly string[];
}

/** What a figure consists of. */
export interface Why {
  readonly title: string;
  /** What is divided. */
  readonly about: string;
  readonly parts: readonly Figure[];
  /** Of a profile: where most is spent in. */
  readonly functions?: readonly Figure[];
}

/** A figure that is told and held against nothing: a median where there were several runs. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
}

/** A program that a row was measured with or against. */
export interface Program {
  readonly name: string;
  readonly version: string;
}

/** What a row of the bench found. */
export interface RowResult {
  readonly row: string;
  /** The workload, its make-up and seed. */
  readonly about: string;
  /** Programs other than rejoin. */
  readonly against: readonly Program[];
  readonly figures: readonly Figure[];
  readonly claims: readonly Claim[];
  /** What rejoin counted otherwise than it should have; empty when all was right. */
  readonly differences: readonly string[];
}

/** A row that can be run. */
export interface Row {
  readonly name: string;
  /** Writes the files that it reads. */
  readonly provide?: () => Promise<void>;
  /** Why it cannot be measured on this machine; undefined where it can. */
  readonly missing?: () => string | undefined;
  readonly run: () => Promise<RowResult>;
}

/** Whether a claim holds. NaN, as without the other program, does not. */
const isMet = ({ value, target }: Claim): boolean => value <= target;

/** Whether a claim was measured, and does not hold. */
export const isMissed = (claim: Claim): boolean => !isMet(claim) && !Number.isNaN(claim.value);

/** Whether all of a row's claims hold and all was counted right. */
export const isGood = ({ claims, differences }: RowResult): boolean => claims.every(isMet) && differences.length === 0;

/** A line for each thing that rejoin counted otherwise than it should have. */
export const wrongLines = ({ row, differences }: RowResult): string[] =>
  differences.map((difference) => `${row}: counted WRONG: ${difference}`);

/** The target, and whether it is met or by how much it is missed. */
export function verdict(claim: Claim): string {
  const { value, target } = claim;
  if (isMet(claim)) return `${target}: met`;
  if (Number.isNaN(value)) return `${target}: MISSED, not measured`;
  const share = target === 0 ? "" : ` (${Math.round((100 * (value - target)) / target)}%)`;
  return `${target}: MISSED by ${numberText(value - target)}${share}`;
}

/** A number for people: three digits that tell something. */
export function numberText(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en");
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** Lines for what was counted otherwise than expected: what, expected, got. */
export function differencesOf(expected: readonly (readonly [string, number, number | undefined])[]): string[] {
  return expected.flatMap(([what, want, got]) => (want === got ? [] : [`${what}: ${got} instead of ${want}`]));
}
