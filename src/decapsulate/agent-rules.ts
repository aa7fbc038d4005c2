import type { AgentRule } from "../pipeline-contract.ts";
import { encapsulationOf } from "../wire/delivery-fields.ts";
import { type AddressRange, isInRange, parseRange } from "../wire/network.ts";
import { RateBound } from "./rate-bound.ts";

/** A rule as packets are held against it. */
export interface Rule {
  readonly name: string;
  readonly ranges: readonly AddressRange[] | null;
  readonly keys: readonly number[] | null;
  readonly encapsulations: readonly number[] | null;
  /** Null: any number of packets. */
  readonly bound: RateBound | null;
  /** How many streams were told apart so far. */
  streams: number;
}

/**
 * Makes rules ready, of which the first that matches holds. `packetsPerSecond` is that of rules that state none, null for no
 * bound. Throws a RangeError when an address is none: rules are checked where they are read.
 */
export function prepareRules(rules: readonly AgentRule[], packetsPerSecond: number | null): Rule[] {
  return rules.map(({ name, addresses, keys, encapsulations, ...own }) => {
    const rate = own.packetsPerSecond ?? packetsPerSecond;
    return {
      name,
      ranges: addresses?.map((text) => rangeOf(name, text)) ?? null,
      keys,
      encapsulations: encapsulations?.map(encapsulationOf) ?? null,
      bound: rate === null ? null : new RateBound(rate),
      streams: 0,
    };
  });
}

function rangeOf(name: string, text: string): AddressRange {
  const range = parseRange(text);
  if (range === null) throw new RangeError(`agent ${name}: ${text} is neither an IP address nor a network`);
  return range;
}

/** The rule that lets such a stream in; undefined where none does. */
export function ruleFor(
  rules: readonly Rule[],
  family: number,
  words: readonly number[],
  key: number | null,
  encapsulation: number,
): Rule | undefined {
  return rules.find(
    (rule) =>
      (rule.keys === null || (key !== null && rule.keys.includes(key))) &&
      (rule.encapsulations === null || rule.encapsulations.includes(encapsulation)) &&
      (rule.ranges === null || rule.ranges.some((range) => isInRange(range, family, words))),
  );
}
