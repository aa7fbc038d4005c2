import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FINDINGS } from "../../schema/finding-vocabulary.ts";
import { findingsIn } from "../../src/findings/rules.ts";
import { run } from "../support/pipeline-run.ts";
import { simulate } from "../support/simulator/simulation.ts";
import { sightsOf, watch } from "../support/simulator/watch.ts";
import { expectNothingWrong } from "./expectation.ts";
import { PlacedOctets } from "./placed-octets.ts";
import { badAgents, goodAgents, mutilate, mutilation, sessionPlan } from "./plans.ts";
import { PATIENCE, settings } from "./runs.ts";

describe("copies lost, cut, doubled and out of order", () => {
  it("never make an octet that was not sent, nor a verdict that cannot be, nor a finding against anybody", {
    timeout: PATIENCE,
  }, () => {
    const agents = fc.oneof(badAgents, goodAgents);
    fc.assert(
      fc.property(
        sessionPlan,
        agents,
        mutilation,
        fc.nat(),
        fc.constantFrom(1, 13, 64),
        (plan, by, how, seed, batch) => {
          const simulation = simulate([{ plan, beginMillis: 0 }], seed);
          const copies = mutilate(watch(simulation, by, seed).copies, how);
          const placed = new PlacedOctets();
          const sights = sightsOf(simulation, copies);
          const seen = run(copies, { octets: placed }, batch);
          expectNothingWrong({ run: seen, placed, simulation, sights });
          const severe = seen.records.flatMap(findingsIn).filter(({ kind }) => FINDINGS[kind] > 1);
          expect(severe).toEqual([]);
        },
      ),
      settings(),
    );
  });
});
