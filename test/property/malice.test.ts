import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { run } from "../support/pipeline-run.ts";
import { ATTACKS, type AttackPlan, attacked } from "../support/simulator/malice.ts";
import { simulate } from "../support/simulator/simulation.ts";
import { watch } from "../support/simulator/watch.ts";
import { expectEverything, expectNothingWrong } from "./expectation.ts";
import { PlacedOctets } from "./placed-octets.ts";
import { goodAgents, sessionPlan } from "./plans.ts";
import { PATIENCE, settings } from "./runs.ts";

/** Two keys of one token in each version, found by trying some 80,000. */
const TWINS = {
  0: ["00005e550000553a", "00005e5500006731"],
  1: ["00005e550000a907", "00005e55000146ad"],
} as const;

const attack: fc.Arbitrary<AttackPlan> = fc.record({
  kind: fc.constantFrom(...ATTACKS),
  after: fc.double({ min: 0, max: 1, noNaN: true }),
});

describe("somebody who forges segments", () => {
  it("places no octet, ends no session, and proves nothing", { timeout: PATIENCE }, () => {
    const attacks = fc.array(attack, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(sessionPlan, attacks, goodAgents, fc.nat(), (plan, several, agents, seed) => {
        const simulation = attacked(simulate([{ plan, beginMillis: 0 }], seed), several, seed);
        const { copies, sights } = watch(simulation, agents, seed);
        const placed = new PlacedOctets();
        const observed = { run: run(copies, { octets: placed }), placed, simulation, sights };
        expectNothingWrong(observed);
        expectEverything(observed);
      }),
      settings(),
    );
  });
});

describe("two servers that chose keys of one token", () => {
  it("keep their sessions apart", { timeout: PATIENCE }, () => {
    const plans = fc.tuple(sessionPlan, sessionPlan, fc.constantFrom(0 as const, 1 as const));
    fc.assert(
      fc.property(plans, goodAgents, fc.nat(300), fc.nat(), ([one, other, version], agents, beginMillis, seed) => {
        const staged = [one, other].map((plan, n) => ({
          plan: { ...plan, version },
          beginMillis: n * beginMillis,
          keys: [Buffer.alloc(8, n + 1), Buffer.from(TWINS[version][n] ?? "", "hex")] as const,
          server: n,
        }));
        const simulation = simulate(staged, seed);
        const [token, same] = simulation.sessions.map(({ identity }) => identity.tokens[1]);
        expect(token).toBe(same);
        const { copies, sights } = watch(simulation, agents, seed);
        const placed = new PlacedOctets();
        const observed = { run: run(copies, { octets: placed }), placed, simulation, sights };
        expectNothingWrong(observed);
        expectEverything(observed);
      }),
      settings(0.4),
    );
  });
});
