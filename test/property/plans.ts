import fc from "fast-check";
import { Random } from "../bench/random.ts";
import {
  type AgentPlan,
  type EventPlan,
  FAST_OPEN_TAKEN,
  GOOD_AGENT,
  type JoinPlan,
  MAPPING_PLACES,
  type PathPlan,
  SCHEDULERS,
  type SessionPlan,
} from "../support/simulator/plan.ts";
import type { Copy } from "../support/simulator/watch.ts";

const side = fc.constantFrom(0 as const, 1 as const);
const seldom = fc.boolean().chain((once) => (once ? fc.boolean() : fc.constant(false)));

const path: fc.Arbitrary<PathPlan> = fc.record({
  ipv6: seldom,
  delayMillis: fc.integer({ min: 1, max: 80 }),
  jitterMillis: fc.constantFrom(0, 0, 1, 20),
  loss: fc.constantFrom(0, 0, 0.02, 0.1),
  doubled: fc.constantFrom(0, 0, 0.02),
  nat: seldom,
  tampered: fc.constant(0),
});

const join: fc.Arbitrary<JoinPlan> = fc.record({
  opener: side,
  path: fc.nat(3),
  atMillis: fc.nat(300),
  backup: seldom,
});

const event: fc.Arbitrary<EventPlan> = fc.record({
  atMillis: fc.nat(1000),
  side,
  kind: fc.constantFrom("reset-subflow", "close-subflow", "add-address", "remove-address", "priority"),
  subflow: fc.nat(3),
});

const anyPlan: fc.Arbitrary<SessionPlan> = fc.record({
  version: fc.constantFrom(0 as const, 1 as const),
  octets: fc.tuple(fc.constantFrom(0, 1, 600, 9_000, 40_000), fc.constantFrom(0, 1, 600, 9_000, 40_000)),
  paths: fc.array(path, { minLength: 1, maxLength: 3 }),
  joins: fc.array(join, { maxLength: 3 }),
  events: fc.array(event, { maxLength: 2 }),
  scheduler: fc.constantFrom(...SCHEDULERS),
  mss: fc.constantFrom(100, 536, 1400),
  mapping: fc.constantFrom(1, 300, 1400, 5_000, 65_000),
  mappingOn: fc.constantFrom(...MAPPING_PLACES),
  checksum: fc.boolean(),
  narrowDsn: fc.boolean(),
  narrowAck: fc.boolean(),
  fastOpen: fc.constantFrom(0, 0, 0, 1, 300, 1400),
  fastOpenTaken: fc.constantFrom(...FAST_OPEN_TAKEN),
  capableData: fc.boolean(),
  finWithData: fc.boolean(),
  timestamps: fc.boolean(),
  wrapTcp: fc.boolean(),
  wrapDsn: seldom,
  reinjected: fc.constantFrom(0, 0, 0.2),
  stripped: fc.constant("nothing" as const),
  unstripped: fc.constant(0),
  retroactive: fc.constant(true),
  infiniteByBoth: fc.constant(false),
  ending: fc.constant("fin" as const),
  endingBy: side,
  endingAtMillis: fc.nat(3000),
});

/**
 * Sessions of every kind that MPTCP version 0 and 1 allow; they end in order unless another plan says so. A mapping that
 * is stated at its end has so few segments that an observer keeps them until then.
 */
export const sessionPlan = anyPlan.map((plan) => ({
  ...plan,
  mapping: plan.mappingOn === "last" ? Math.min(plan.mapping, 20 * plan.mss) : plan.mapping,
}));

/** How hosts come to leave MPTCP once data has flowed (RFC 8684 §3.7). */
const WAYS_OUT = ["checksum", "infinite-mapping", "midway"] as const;

const wayOut = fc.record({
  way: fc.constantFrom(...WAYS_OUT),
  octets: fc.constantFrom<[number, number]>([0, 9_000], [600, 40_000], [9_000, 600], [40_000, 0], [40_000, 40_000]),
  isAlone: fc.constantFrom(true, true, false),
  atMillis: fc.nat(300),
  side,
  tampered: fc.constantFrom(0.02, 0.1, 0.5),
  unstripped: fc.nat(12),
  retroactive: fc.boolean(),
  infiniteByBoth: fc.boolean(),
});

/** Sessions that mostly become plain TCP once data has flowed, by one of WAYS_OUT. */
export const leavingPlan = fc.tuple(sessionPlan, wayOut).map(([plan, out]): SessionPlan => {
  const { way, octets, isAlone, atMillis, side: by, tampered, unstripped, retroactive, infiniteByBoth } = out;
  // Nothing tells a FIN on the last subflow, for another that is to come, from one that ends a plain stream.
  const events = plan.events.filter(({ kind }) => kind !== "close-subflow");
  const usual = { ...plan, octets, events, joins: isAlone ? [] : plan.joins, retroactive, infiniteByBoth };
  if (way === "midway") return { ...usual, stripped: "midway", unstripped };
  if (way === "infinite-mapping") {
    // With other subflows it waits until all but one are no more.
    const reset = { kind: "reset-subflow", atMillis: 2 * atMillis, side: by, subflow: plan.endingAtMillis } as const;
    const stated = { kind: "infinite-mapping", atMillis, side: by, subflow: 0 } as const;
    return {
      ...usual,
      octets: [Math.max(octets[0], 9_000), Math.max(octets[1], 9_000)],
      mapping: Math.min(plan.mapping, 5_000),
      events: isAlone ? [stated] : [...events, stated, reset],
    };
  }
  const paths = plan.paths.map((one) => ({ ...one, doubled: 0, tampered }));
  return { ...usual, checksum: true, mappingOn: "every", fastOpen: 0, paths };
});

/** One or two agents that together miss nothing that passes their place. */
export const goodAgents: fc.Arbitrary<readonly AgentPlan[]> = fc.constantFrom(
  [GOOD_AGENT],
  [{ ...GOOD_AGENT, position: 1 as const }],
  [GOOD_AGENT, { ...GOOD_AGENT, lagMillis: 300 }],
  [
    { ...GOOD_AGENT, only: 0 as const },
    { ...GOOD_AGENT, only: 1 as const },
  ],
);

/** One to three agents, each of which may miss, cut, double and delay. */
export const badAgents: fc.Arbitrary<readonly AgentPlan[]> = fc.array(
  fc.record({
    path: fc.constantFrom(null, null, 0, 1),
    position: side,
    only: fc.constantFrom(null, null, 0 as const, 1 as const),
    loss: fc.constantFrom(0, 0.02, 0.3, 0.9),
    doubled: fc.constantFrom(0, 0.1),
    snap: fc.constantFrom(262_144, 262_144, 400, 96, 60),
    lagMillis: fc.constantFrom(0, 0, 5, 900),
  }),
  { minLength: 1, maxLength: 3 },
);

/** What becomes of copies on their way to a collector. */
export const mutilation = fc.record({
  /** Copies are at most so many places from their own. */
  displaced: fc.constantFrom(0, 3, 30, 200),
  removed: fc.constantFrom(0, 0.01, 0.2, 0.7),
  doubled: fc.constantFrom(0, 0.05, 0.5),
  cut: fc.constantFrom(0, 0.05, 0.5),
  seed: fc.nat(),
});

/** Changes the order and number of copies, and cuts some; times are those of their arrival and never step back. */
export function mutilate(
  copies: readonly Copy[],
  { displaced, removed, doubled, cut, seed }: typeof mutilation extends fc.Arbitrary<infer M> ? M : never,
): Copy[] {
  const random = new Random(seed);
  const chance = (share: number): boolean => random.below(1_000_000) < share * 1_000_000;
  const kept = copies
    .filter(() => !chance(removed))
    .flatMap((copy) => (chance(doubled) ? [copy, copy] : [copy]))
    .map((copy) =>
      chance(cut) ? { ...copy, octets: copy.octets.slice(0, random.below(copy.octets.length + 1)) } : copy,
    );
  const places = kept.map((copy, place) => ({ copy, place: place + random.below(displaced + 1) }));
  places.sort((a, b) => a.place - b.place);
  return places.map(({ copy }, place) => ({ ...copy, atMicros: kept[place]?.atMicros ?? copy.atMicros }));
}
