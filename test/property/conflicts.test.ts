import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SIDES } from "../../schema/session-vocabulary.ts";
import { run } from "../support/pipeline-run.ts";
import { type AgentPlan, GOOD_AGENT, type SessionPlan } from "../support/simulator/plan.ts";
import { simulate } from "../support/simulator/simulation.ts";
import { watch } from "../support/simulator/watch.ts";
import { expectEverything, expectNothingWrong, hasHandshake, onlyRecord } from "./expectation.ts";
import { observeChanged } from "./first-copies.ts";
import { PlacedOctets } from "./placed-octets.ts";
import { badAgents, mutilate, mutilation, sessionPlan } from "./plans.ts";
import { PATIENCE, settings } from "./runs.ts";

/**
 * Sessions without checksums, on whose paths somebody changes octets. What the network doubles would be copies of one
 * packet or not, as their octets are.
 */
const tampered = sessionPlan.map(
  (plan): SessionPlan => ({
    ...plan,
    checksum: false,
    fastOpen: 0,
    mappingOn: "every",
    paths: plan.paths.map((path, n) => ({ ...path, doubled: 0, tampered: n === 0 ? 0.05 : 0.3 })),
  }),
);

/** At the one or the other side of where it is done, or at one side on each path. */
const AGENTS: readonly (readonly AgentPlan[])[] = [
  [GOOD_AGENT],
  [{ ...GOOD_AGENT, position: 1 }],
  [
    { ...GOOD_AGENT, path: 0 },
    { ...GOOD_AGENT, path: 1, position: 1 },
    { ...GOOD_AGENT, path: 2, position: 1 },
  ],
];

describe("somebody who changes octets on the way", () => {
  it("is told by each octet that came again, and where; what came first stays", { timeout: PATIENCE }, () => {
    fc.assert(
      fc.property(tampered, fc.constantFrom(...AGENTS), fc.nat(), (plan, agents, seed) => {
        const { observed, session, sight, first } = observeChanged(plan, agents, seed);
        expectNothingWrong(observed);
        expectEverything(observed);
        if (!hasHandshake(sight)) return;
        const { stream } = onlyRecord(observed, session).mptcp;
        for (const side of [0, 1] as const) {
          const { octets, differing } = first[side];
          const told = stream[SIDES[side]];
          const untold = Uint8Array.from(differing);
          for (const { offset, length, first: before, second } of told.conflicts) {
            const [one, other] = [before, second].map((copy) => Buffer.from(copy.octets, "hex"));
            expect(differing[offset]).toBeGreaterThan(0);
            expect(one).toEqual(Buffer.from(octets.subarray(offset, offset + (one?.length ?? 0))));
            expect(other?.[0]).toBe((octets[offset] ?? 0) ^ 0x55);
            untold.fill(0, offset, offset + length);
          }
          const { conflicts_left_out, not_compared_octets, window_probes = 0 } = told;
          if (conflicts_left_out + not_compared_octets + window_probes === 0) expect(untold.indexOf(1)).toBe(-1);
        }
      }),
      settings(),
    );
  });

  it("never has an octet placed that no agent saw there", { timeout: PATIENCE }, () => {
    fc.assert(
      fc.property(tampered, badAgents, mutilation, fc.nat(), (plan, agents, harm, seed) => {
        const simulation = simulate([{ plan, beginMillis: 0 }], seed);
        const copies = mutilate(watch(simulation, agents, seed).copies, harm);
        const placed = new PlacedOctets();
        const { records } = run(copies, { octets: placed });
        const seen = new Set<string>();
        for (const { packet } of copies) {
          const { side, offset } = packet.meaning;
          for (const [n, octet] of packet.payload.entries()) seen.add(`${side} ${offset + n} ${octet}`);
        }
        for (const { mptcp } of records) {
          // Elsewhere nobody knows where the stream began.
          if (mptcp.session.evidence !== "handshake") continue;
          for (const { side, offset, octets } of placed.pieces.get(mptcp.session.id) ?? []) {
            for (const [n, octet] of octets.entries()) expect(seen.has(`${side} ${offset + n} ${octet}`)).toBe(true);
          }
        }
      }),
      settings(0.5),
    );
  });
});
