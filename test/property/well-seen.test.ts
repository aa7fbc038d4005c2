import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findingsIn } from "../../src/findings/rules.ts";
import { run } from "../support/pipeline-run.ts";
import { simulate } from "../support/simulator/simulation.ts";
import { watch } from "../support/simulator/watch.ts";
import { expectEverything, expectNothingWrong } from "./expectation.ts";
import { PlacedOctets } from "./placed-octets.ts";
import { goodAgents, sessionPlan } from "./plans.ts";
import { PATIENCE, settings } from "./runs.ts";

describe("agents that see all that passes them", () => {
  it("tell what the hosts sent, how they joined, and how they ended, and find nothing wrong with them", {
    timeout: PATIENCE,
  }, () => {
    fc.assert(
      fc.property(sessionPlan, goodAgents, fc.nat(), (plan, agents, seed) => {
        const simulation = simulate([{ plan, beginMillis: 0 }], seed);
        const { copies, sights } = watch(simulation, agents, seed);
        const placed = new PlacedOctets();
        const observed = { run: run(copies, { octets: placed }), placed, simulation, sights };
        expectNothingWrong(observed);
        expectEverything(observed);
        // Nobody did anything wrong; a bound can be met all the same, and who states a mapping once sends octets again without.
        const told = ["bound-met", ...(plan.mappingOn === "every" ? [] : ["repeats-not-compared"])];
        const kinds = observed.run.records.flatMap(findingsIn).map(({ kind }) => kind);
        expect(kinds.filter((kind) => !told.includes(kind))).toEqual([]);
      }),
      settings(),
    );
  });
});
