import { describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import type { Totals } from "../../src/pipeline.ts";
import { CASES } from "../hostile/cases.ts";
import { run } from "../support/pipeline-run.ts";
import { observe } from "./observed.ts";
import { routerFiles } from "./truth.ts";

/** What totals say of sessions, summed over the records of all of them. */
function summed(records: readonly SessionRecord[]): Partial<Totals> {
  const whole = records.filter(({ mptcp }) => mptcp.session.evidence === "handshake").map(({ mptcp }) => mptcp);
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  const streams = whole.flatMap(({ stream }) => [stream.initiator, stream.responder]);
  const subflows = whole.flatMap((session) => session.subflows);
  const closes = whole.flatMap(({ close }) => close?.reason ?? []);
  const counted = (said: readonly (string | undefined)[]) => ({
    verified: said.filter((verdict) => verdict === "verified").length,
    failed: said.filter((verdict) => verdict === "failed").length,
    unverifiable: said.filter((verdict) => verdict === "unverifiable").length,
  });
  const checked = whole.flatMap(({ verdicts }) => verdicts ?? []);
  const checksums = streams.flatMap(({ checksum }) => checksum ?? []);
  const tally = (said: readonly string[]) =>
    Object.fromEntries([...new Set(said)].map((one) => [one, said.filter((other) => other === one).length]));
  const orphans = records.filter(({ mptcp }) => mptcp.session.evidence === "orphan");
  return {
    endedBy: tally(closes),
    fallbacks: tally(whole.flatMap(({ fallback }) => fallback?.cause ?? [])),
    subflows: {
      initial: subflows.filter(({ kind }) => kind === "initial").length,
      joined: subflows.filter(({ kind }) => kind === "joined").length,
      orphan: sum(orphans.map(({ mptcp }) => mptcp.subflows.length)),
    },
    octets: {
      initiator: sum(whole.map(({ stream }) => stream.initiator.octets)),
      responder: sum(whole.map(({ stream }) => stream.responder.octets)),
      missing: sum(streams.map((stream) => stream.missing_octets)),
      acknowledged: sum(streams.map(({ acknowledged }) => acknowledged ?? 0)),
      unseen: sum(streams.map(({ unseen_octets }) => unseen_octets ?? 0)),
      conflicting: sum(streams.map(({ conflicting }) => conflicting ?? 0)),
    },
    verdicts: {
      version: counted(checked.map(({ version }) => version?.verdict)),
      "key-echo": counted(checked.map(({ key_echo }) => key_echo?.verdict)),
      idsn: counted(checked.flatMap(({ idsn }) => [idsn.initiator?.verdict, idsn.responder?.verdict])),
      token: counted(checked.flatMap(({ token }) => [token.initiator?.verdict, token.responder?.verdict])),
      "join-hmac": counted(subflows.flatMap(({ join }) => [join?.hmac.initiator, join?.hmac.responder])),
      "addr-hmac": counted(whole.flatMap(({ addresses }) => addresses.map(({ hmac }) => hmac?.verdict))),
      fastclose: counted(
        checked.flatMap(({ fastclose }) => [fastclose.initiator?.verdict, fastclose.responder?.verdict]),
      ),
      checksum: {
        verified: sum(checksums.map(({ verified, old_byte_order }) => verified + old_byte_order)),
        failed: sum(checksums.map(({ failed }) => failed)),
        unverifiable: sum(checksums.map(({ unverifiable }) => unverifiable)),
      },
    },
    records: records.length,
  };
}

/** Both routers' captures, and of each alone: half of everything, and the second one's without most handshakes. */
const INPUTS = ["add-addr", "checksum", "fastclose-client", "http-many", "mangle-single", "server-join-early"].flatMap(
  (scenario) => [
    { scenario, routers: "both routers", files: routerFiles(scenario) },
    { scenario, routers: "the first router", files: routerFiles(scenario).slice(0, 1) },
    { scenario, routers: "the second router", files: routerFiles(scenario).slice(1) },
  ],
);

/** Subflows of all records by the reason of their end, and in `totals` besides: those that no record tells of. */
function expectFlows({ flows }: Totals, records: readonly SessionRecord[]): void {
  const reasons = records.flatMap(({ mptcp }) => mptcp.subflows.map(({ close }) => close.reason));
  const { "half-open": halfOpen = 0, other = 0, ...told } = flows.endedBy;
  expect(told).toEqual(
    Object.fromEntries([...new Set(reasons)].map((one) => [one, reasons.filter((two) => one === two).length])),
  );
  expect(other).toBeGreaterThanOrEqual(0);
  expect([flows.live, flows.opened]).toEqual([0, reasons.length + halfOpen + other]);
}

describe("totals", () => {
  it.each(INPUTS)("are what the records say: $scenario, $routers", async ({ files }) => {
    const { records, totals } = await observe(files, { partial: true });
    expect(totals).toMatchObject(summed(records));
    expectFlows(totals, records);
  });

  it.each(CASES)("are what the records say: $name", ({ agents }) => {
    const packets = agents().flatMap((seen, source) => seen.map((packet) => ({ ...packet, source })));
    const { records, totals } = run(packets);
    expect(totals).toMatchObject(summed(records));
    expectFlows(totals, records);
  });

  it.each(INPUTS)("are the same where nobody takes records: $scenario, $routers", async ({ files }) => {
    const { totals } = await observe(files);
    expect((await observe(files, { record: null, digest: false, octets: null })).totals).toEqual(totals);
  });

  it("count updates where nobody takes records", async () => {
    const files = routerFiles("add-addr");
    const { totals } = await observe(files, { revisions: "all" });
    expect((await observe(files, { revisions: "all", record: null })).totals).toEqual(totals);
  });
});
