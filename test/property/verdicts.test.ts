import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import { SIDES } from "../../schema/session-vocabulary.ts";
import { run } from "../support/pipeline-run.ts";
import { simulate } from "../support/simulator/simulation.ts";
import { watch } from "../support/simulator/watch.ts";
import { PlacedOctets } from "./placed-octets.ts";
import { badAgents, goodAgents, mutilate, mutilation, sessionPlan } from "./plans.ts";
import { PATIENCE, settings } from "./runs.ts";

/** Every verdict of a record by what it is on. */
function verdictsOf({ mptcp }: SessionRecord): [string, string][] {
  const { verdicts, addresses, subflows, stream } = mptcp;
  const found: [string, string | undefined][] = [
    ["version", verdicts?.version?.verdict],
    ["key echo", verdicts?.key_echo?.verdict],
    ...addresses.map(({ hmac }): [string, string | undefined] => ["ADD_ADDR", hmac?.verdict]),
  ];
  for (const side of SIDES) {
    for (const check of ["token", "idsn", "fastclose"] as const) found.push([check, verdicts?.[check][side]?.verdict]);
    found.push(["DSS checksum", (stream[side].checksum?.failed ?? 0) > 0 ? "failed" : undefined]);
    for (const { join } of subflows) found.push(["join", join?.hmac[side]]);
  }
  return found.flatMap(([name, verdict]) => (verdict === undefined ? [] : [[name, verdict]]));
}

const failed = (record: SessionRecord): string[] =>
  verdictsOf(record).flatMap(([name, verdict]) => (verdict === "failed" ? [name] : []));

describe("of honest hosts", () => {
  it("nothing fails and no session falls back, however badly they are watched", { timeout: PATIENCE }, () => {
    const batches = fc.constantFrom(1, 64);
    fc.assert(
      fc.property(sessionPlan, badAgents, mutilation, fc.nat(), batches, (plan, agents, harm, seed, batch) => {
        const { copies } = watch(simulate([{ plan, beginMillis: 0 }], seed), agents, seed);
        const { records } = run(mutilate(copies, harm), { octets: new PlacedOctets() }, batch);
        for (const record of records) {
          expect(failed(record)).toEqual([]);
          expect(record.mptcp.fallback).toBeNull();
        }
      }),
      settings(),
    );
  });

  it("version, tokens, joins and announcements are verified where all was seen", { timeout: PATIENCE }, () => {
    fc.assert(
      fc.property(sessionPlan, goodAgents, fc.nat(), (any, agents, seed) => {
        // A segment that is lost before it comes to an agent is not seen.
        const plan = { ...any, paths: any.paths.map((path) => ({ ...path, loss: 0 })) };
        const { copies } = watch(simulate([{ plan, beginMillis: 0 }], seed), agents, seed);
        for (const record of run(copies, { octets: new PlacedOctets() }).records) {
          const checked = verdictsOf(record).filter(([name]) => ["version", "token", "ADD_ADDR"].includes(name));
          expect(failed(record)).toEqual([]);
          for (const [name, verdict] of checked) expect([name, verdict]).toEqual([name, "verified"]);
        }
      }),
      settings(),
    );
  });
});
