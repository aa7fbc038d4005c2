/** One thing that was looked at: whether it is as it must be, and what to change where it is not. */
export interface Finding {
  /** `warn`: it works, and something will be missed, lost or slow; `fail`: it cannot work. */
  readonly level: "ok" | "warn" | "fail";
  /** What was looked at, in a word or three. */
  readonly what: string;
  /** One line for people. */
  readonly text: string;
}

/** Looks at one thing. An OperationalError that it rejects with is a finding: `fail`, with the error's line. */
export interface Check {
  readonly what: string;
  look(): Finding[] | Promise<Finding[]>;
}

/** Makes findings about one thing. */
export function findingsOf(what: string) {
  const finding = (level: Finding["level"]) => (text: string) => [{ level, what, text }] as Finding[];
  return { ok: finding("ok"), warn: finding("warn"), fail: finding("fail") };
}
