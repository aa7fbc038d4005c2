import fc from "fast-check";
import { describe, it } from "vitest";
import { run } from "../support/pipeline-run.ts";
import { GOOD_AGENT } from "../support/simulator/plan.ts";
import { simulate } from "../support/simulator/simulation.ts";
import { watch } from "../support/simulator/watch.ts";
import { expectLossesCounted, expectNothingWrong } from "./expectation.ts";
import { PlacedOctets } from "./placed-octets.ts";
import { sessionPlan } from "./plans.ts";
import { PATIENCE, settings } from "./runs.ts";

const bounds = fc.record({
  sessions: fc.integer({ min: 1, max: 4 }),
  subflows: fc.integer({ min: 1, max: 8 }),
  watchedSubflows: fc.integer({ min: 1, max: 3 }),
  pendingJoins: fc.integer({ min: 1, max: 3 }),
  rememberedOctets: fc.constantFrom(4_096, 65_536),
});

describe("tables that are too small", () => {
  it("lose what they must, count it, and tell nothing wrong", { timeout: PATIENCE }, () => {
    const plans = fc.array(sessionPlan, { minLength: 2, maxLength: 4 });
    fc.assert(
      fc.property(plans, bounds, fc.nat(400), fc.nat(), (several, lowered, gap, seed) => {
        const staged = several.map((plan, n) => ({
          plan: { ...plan, mappingOn: "every" as const },
          beginMillis: n * gap,
        }));
        const simulation = simulate(staged, seed);
        const { copies, sights } = watch(simulation, [GOOD_AGENT], seed);
        const placed = new PlacedOctets();
        const observed = { run: run(copies, { octets: placed, bounds: lowered }), placed, simulation, sights };
        expectNothingWrong(observed);
        expectLossesCounted(observed, copies);
      }),
      settings(0.3),
    );
  });
});
