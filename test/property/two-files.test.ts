import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import type { Totals } from "../../src/pipeline.ts";
import { Random } from "../bench/random.ts";
import { run } from "../support/pipeline-run.ts";
import { type AgentPlan, GOOD_AGENT } from "../support/simulator/plan.ts";
import { simulate } from "../support/simulator/simulation.ts";
import { type Copy, watch } from "../support/simulator/watch.ts";
import { PlacedOctets } from "./placed-octets.ts";
import { sessionPlan } from "./plans.ts";
import { PATIENCE, settings } from "./runs.ts";

/** Agents at both places of all paths, or one at each path. */
const AGENTS: readonly (readonly AgentPlan[])[] = [
  [GOOD_AGENT, { ...GOOD_AGENT, position: 1 }],
  [
    { ...GOOD_AGENT, path: 0 },
    { ...GOOD_AGENT, path: 1, position: 1 },
    { ...GOOD_AGENT, path: 2 },
  ],
];

/** A file and the name of the agent that wrote it. */
interface File {
  readonly name: string;
  readonly packets: readonly Copy[];
}

/** What is told of files merged by time; of one moment, packets of the first file come first. */
function told(files: readonly File[]): { records: SessionRecord[]; totals: Totals } {
  const packets = files.flatMap((file, source) => file.packets.map((packet) => ({ ...packet, source })));
  packets.sort((a, b) => a.atMicros - b.atMicros || a.source - b.source);
  const names = files.map(({ name }) => name);
  const { records, totals } = run(packets, { octets: new PlacedOctets() }, 64, names);
  return { records: records.sort((a, b) => (a.event.id < b.event.id ? -1 : 1)), totals };
}

/** Without the names of agents, and times measured between two packets of one: a file in two is two agents. */
const nameless = (records: readonly SessionRecord[]): unknown =>
  JSON.parse(JSON.stringify(records, (key, value) => (/^(agents?|between|round_trip)$/.test(key) ? undefined : value)));

/**
 * A file as two, cut at random, but not between the two appearances of a packet that the network doubled: in one file the
 * agent has seen it twice, in two files nothing tells them from copies of one packet by two agents.
 */
function halves({ name, packets }: File, random: Random): File[] {
  const identity = ({ packet: { meaning, ipId } }: Copy): string => `${meaning.session} ${meaning.side} ${ipId}`;
  const last = new Map(packets.map((copy, place) => [identity(copy), place]));
  let cut = random.below(packets.length + 1);
  for (const [place, copy] of packets.entries())
    if (place < cut) cut = Math.max(cut, (last.get(identity(copy)) ?? 0) + 1);
  return [
    { name: `${name}-early`, packets: packets.slice(0, cut) },
    { name: `${name}-late`, packets: packets.slice(cut) },
  ];
}

describe("captures of several places", () => {
  it("tell the same in whichever order they come, and however they are split", { timeout: PATIENCE }, () => {
    const plans = fc.array(sessionPlan, { minLength: 1, maxLength: 2 });
    fc.assert(
      fc.property(plans, fc.constantFrom(...AGENTS), fc.nat(), (several, agents, seed) => {
        const staged = several.map((plan, n) => ({ plan, beginMillis: n * 150 }));
        const { copies } = watch(simulate(staged, seed), agents, seed);
        const files = agents.map((_, source) => ({
          name: `router${source}`,
          packets: copies.filter((copy) => copy.source === source),
        }));
        const usual = told(files);
        expect(told(files.toReversed())).toEqual(usual);
        // Without an IP identification nothing tells a packet of the one half from one that is repeated in the other.
        if (several.some(({ paths }) => paths.some(({ ipv6 }) => ipv6))) return;
        const random = new Random(seed);
        const split = files.flatMap((file) => halves(file, random));
        expect(nameless(told(split).records)).toEqual(nameless(usual.records));
      }),
      settings(0.2),
    );
  });
});
