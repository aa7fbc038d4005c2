import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { run } from "../support/pipeline-run.ts";
import { type AgentPlan, ENDINGS, GOOD_AGENT, type SessionPlan } from "../support/simulator/plan.ts";
import { simulate } from "../support/simulator/simulation.ts";
import { type Sight, watch } from "../support/simulator/watch.ts";
import { expectEverything, expectNothingWrong, hasHandshake, type Observed, onlyRecord } from "./expectation.ts";
import { PlacedOctets } from "./placed-octets.ts";
import { sessionPlan } from "./plans.ts";
import { PATIENCE, settings } from "./runs.ts";

const NAMES = ["initiator", "responder"] as const;

function observe(plan: SessionPlan, agents: readonly AgentPlan[], seed: number): Observed {
  const simulation = simulate([{ plan, beginMillis: 0 }], seed);
  const { copies, sights } = watch(simulation, agents, seed);
  const placed = new PlacedOctets();
  return { run: run(copies, { octets: placed }), placed, simulation, sights };
}

const isOnEach = ({ subflows }: Sight, tag: string): boolean =>
  [...subflows.values()].every(([a, b]) => a.has(tag) || b.has(tag));
const isOnAny = ({ subflows }: Sight, tag: string): boolean =>
  [...subflows.values()].some(([a, b]) => a.has(tag) || b.has(tag));

describe("sessions that do not end in order", () => {
  it("have the end that was theirs, and whose it was", { timeout: PATIENCE }, () => {
    const ending = fc.constantFrom(...ENDINGS.filter((name) => name !== "fin"));
    fc.assert(
      fc.property(sessionPlan, ending, fc.integer({ min: 20, max: 900 }), fc.nat(), (usual, how, at, seed) => {
        const plan: SessionPlan = { ...usual, ending: how, endingAtMillis: at, events: [] };
        const observed = observe(plan, [GOOD_AGENT], seed);
        expectNothingWrong(observed);
        expectEverything(observed);
        const [session] = observed.simulation.sessions;
        const [sight] = observed.sights;
        if (session === undefined || sight === undefined || !hasHandshake(sight)) return;
        const { close } = onlyRecord(observed, session).mptcp;
        const by = NAMES[plan.endingBy];
        if (isOnAny(sight, "fastclose")) expect(close).toEqual({ reason: "fastclose", by });
        else if (isOnEach(sight, "rst")) expect(close).toEqual({ reason: "reset", by });
        else if (!isOnAny(sight, "rst")) expect(close).toEqual({ reason: "end-of-input", by: null });
      }),
      settings(0.6),
    );
  });
});

/** What is stripped, where the agent stands, and the cause that it then sees. */
const STRIPPED = [
  ["syn-ack", 0, "syn-ack-without-option"],
  ["syn-ack", 1, "ack-without-option"],
  ["ack-and-data", 1, "ack-without-option"],
  ["syn-dropped", 0, "syn-retried-without-option"],
] as const;

describe("connections that fall back before any data", () => {
  it.each(STRIPPED)("%s, seen at place %i: %s", { timeout: PATIENCE }, (stripped, position, cause) => {
    fc.assert(
      fc.property(sessionPlan, fc.nat(), (usual, seed) => {
        const plan: SessionPlan = { ...usual, stripped, events: [] };
        const observed = observe(plan, [{ ...GOOD_AGENT, position }], seed);
        expectNothingWrong(observed);
        const [session] = observed.simulation.sessions;
        const [sight] = observed.sights;
        const opening = sight?.subflows.get(0);
        if (session === undefined || !opening?.[0].has("syn") || !opening[1].has("syn-ack")) return;
        if (cause === "ack-without-option" && !opening[0].has("data")) return;
        const { mptcp, rejoin } = onlyRecord(observed, session);
        expect(mptcp.fallback?.cause).toBe(cause);
        for (const [side, name] of NAMES.entries()) {
          // Behind many holes it may be shed, which is told.
          if (rejoin?.shed !== undefined) continue;
          const seen = sight?.octets[side] ?? new Uint8Array(0);
          expect(mptcp.stream[name].octets).toBe(seen.filter((one) => one > 0).length);
        }
      }),
      settings(0.2),
    );
  });
});
