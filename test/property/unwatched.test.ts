import fc from "fast-check";
import { describe, it } from "vitest";
import { run } from "../support/pipeline-run.ts";
import { GOOD_AGENT } from "../support/simulator/plan.ts";
import { simulate } from "../support/simulator/simulation.ts";
import { watch } from "../support/simulator/watch.ts";
import { expectEverything, expectNothingWrong } from "./expectation.ts";
import { PlacedOctets } from "./placed-octets.ts";
import { sessionPlan } from "./plans.ts";
import { PATIENCE, settings } from "./runs.ts";

describe("paths that no agent watches", () => {
  it("show as octets that were acknowledged and not seen, each of them", { timeout: PATIENCE }, () => {
    const agents = fc.constantFrom([0], [0, 1], [0, 2]).map((paths) => paths.map((path) => ({ ...GOOD_AGENT, path })));
    fc.assert(
      fc.property(sessionPlan, agents, fc.nat(), (plan, by, seed) => {
        const simulation = simulate([{ plan, beginMillis: 0 }], seed);
        const { copies, sights } = watch(simulation, by, seed);
        const placed = new PlacedOctets();
        const observed = { run: run(copies, { octets: placed }), placed, simulation, sights };
        expectNothingWrong(observed);
        expectEverything(observed);
      }),
      settings(),
    );
  });
});
