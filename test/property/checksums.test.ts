import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SIDES } from "../../schema/session-vocabulary.ts";
import { type AgentPlan, GOOD_AGENT, type SessionPlan } from "../support/simulator/plan.ts";
import { type SimulatedSession, subflowOfPort } from "../support/simulator/simulation.ts";
import type { Copy } from "../support/simulator/watch.ts";
import { expectNothingWrong, hasHandshake, onlyRecord } from "./expectation.ts";
import { observeChanged } from "./first-copies.ts";
import { sessionPlan } from "./plans.ts";
import { PATIENCE, settings } from "./runs.ts";

/**
 * Sessions with checksums, of which somebody changes octets, but not on the initial subflow's path: a subflow on which
 * a checksum fails is reset, and another is left.
 */
const tampered = sessionPlan.map(
  (plan): SessionPlan => ({
    ...plan,
    checksum: true,
    mappingOn: "every",
    events: [],
    fastOpen: 0,
    paths: plan.paths.map((path, n) => ({
      ...path,
      loss: n === 0 ? 0 : path.loss,
      doubled: 0,
      tampered: n === 0 ? 0 : 0.1,
    })),
  }),
);

const AGENTS: readonly (readonly AgentPlan[])[] = [[GOOD_AGENT], [{ ...GOOD_AGENT, position: 1 }]];

/** How many mappings of a side came whole to an agent with octets that their checksum is not over. */
function failures({ identity }: SimulatedSession, copies: readonly Copy[], side: 0 | 1): number {
  const subflows = new Map<number, Copy[]>();
  for (const copy of copies) {
    const { meaning, payload } = copy.packet;
    if (meaning.side === side && meaning.offset >= 0 && payload.length > 0)
      subflows.set(meaning.subflow, [...(subflows.get(meaning.subflow) ?? []), copy]);
  }
  let failed = 0;
  for (const own of subflows.values()) {
    for (const mapping of new Set(own.map(({ packet }) => packet.said.mapping))) {
      if (mapping === undefined) continue;
      const octets = new Uint8Array(mapping.length);
      const came = new Uint8Array(mapping.length);
      for (const { packet } of own.toReversed()) {
        const from = ((packet.seq - packet.meaning.isn) >>> 0) - mapping.ssn;
        for (const [n, octet] of packet.payload.entries()) {
          octets[from + n] = octet;
          came[from + n] = 1;
        }
      }
      const isRight =
        identity.checksum(side, mapping, mapping.ssn, octets) === identity.checksum(side, mapping, mapping.ssn);
      if (!came.includes(0) && !isRight) failed++;
    }
  }
  return failed;
}

describe("somebody who changes octets under checksums", () => {
  it("is found by each mapping that came changed, as the receiver says it", { timeout: PATIENCE }, () => {
    fc.assert(
      fc.property(tampered, fc.constantFrom(...AGENTS), fc.nat(), (plan, agents, seed) => {
        const { observed, session, sight, copies } = observeChanged(plan, agents, seed);
        expectNothingWrong(observed);
        if (!hasHandshake(sight)) return;
        const { mptcp, rejoin } = onlyRecord(observed, session);
        expect(mptcp.fallback).toBeNull();
        for (const side of [0, 1] as const) {
          const { checksum } = mptcp.stream[SIDES[side]];
          const truth = failures(session, copies, side);
          // Mappings that come far behind others, or not whole, are told as not verifiable.
          if (rejoin?.shed === undefined && checksum?.unverifiable === 0) expect(checksum?.failed).toBe(truth);
          else expect(checksum?.failed).toBeLessThanOrEqual(truth);
        }
        const told = (mptcp.mp_fail ?? []).map(({ side, subflow, offset }) => {
          const { opener, source, destination } = mptcp.subflows[subflow ?? -1] ?? {};
          return `${side} ${subflowOfPort((opener === "initiator" ? source : destination)?.port ?? 0)} ${offset}`;
        });
        const said = copies.flatMap(
          ({
            packet: {
              said: { fail },
              meaning,
            },
          }) => (fail === undefined ? [] : [`${SIDES[meaning.side]} ${meaning.subflow} ${fail}`]),
        );
        expect(told).toEqual(said);
      }),
      settings(),
    );
  });
});
