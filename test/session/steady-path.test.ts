import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import { observe } from "../scenario/observed.ts";
import { routerFiles } from "../scenario/truth.ts";
import { Conversation, type Subflow } from "../support/conversation.ts";
import { type Run, type RunPacket, run } from "../support/pipeline-run.ts";

/** Nobody wants octets: packets of a session's steady state take the short way. */
const SHORT = { octets: null, digest: false } as const;

/** All that does not depend on whether octets are wanted. */
const told = ({ records, totals }: Pick<Run, "records" | "totals">): unknown => ({
  totals,
  records: records.map((record: SessionRecord) => {
    const { sha256: _, ...initiator } = record.mptcp.stream.initiator;
    const { sha256: __, ...responder } = record.mptcp.stream.responder;
    return { ...record, mptcp: { ...record.mptcp, stream: { initiator, responder } } };
  }),
});

const send = fc.record({
  side: fc.constantFrom<0 | 1>(0, 1),
  on: fc.nat(2),
  length: fc.nat(40),
  narrow: fc.boolean(),
  /** What becomes of the segment on its way; `again` sends octets that were sent before, on whichever subflow. */
  fate: fc.constantFrom("comes", "comes", "comes", "comes", "lost", "late", "twice", "cut", "again"),
  far: fc.integer({ min: 1, max: 12 }),
});

/** The packets of a session of three subflows, one opened by the responder and one with a wrong HMAC where `forged`. */
function packetsOf(
  sends: readonly (typeof send extends fc.Arbitrary<infer S> ? S : never)[],
  forged: boolean,
): RunPacket[] {
  const talk = new Conversation().open();
  const subflows: Subflow[] = [talk.initial, talk.join({ opener: 1 })];
  const ends = [
    { ip: "10.1.9.7", port: 50_001 },
    { ip: "10.2.0.2", port: 443 },
  ] as const;
  subflows.push(talk.join({ ends, nonces: [77, 78], ...(forged ? { wrong: "opener" as const } : {}) }));
  const late: { packet: RunPacket; due: number }[] = [];
  const packets: RunPacket[] = talk.packets.splice(0);
  for (const [n, { side, on, length, narrow, fate, far }] of sends.entries()) {
    const subflow = subflows[on] ?? talk.initial;
    const at = fate === "again" ? Math.max(0, talk.offset[side] - far) : talk.offset[side];
    talk.send(side, Buffer.alloc(length, n), { on: subflow, narrow, at });
    const [packet] = talk.packets.splice(0);
    if (packet === undefined) continue;
    if (fate === "late") late.push({ packet, due: n + far });
    else if (fate === "cut") packets.push({ ...packet, octets: packet.octets.subarray(0, packet.octets.length - far) });
    else if (fate !== "lost") packets.push(packet);
    if (fate === "twice") packets.push({ ...packet, source: 1 });
    for (const one of late) if (one.due === n) packets.push({ ...one.packet, atMicros: packet.atMicros });
  }
  return [...packets, ...talk.close(...subflows).packets];
}

describe("the short way of a session's steady state", () => {
  it("tells what the general way tells, whatever is lost, late, twice, cut or sent again", () => {
    const sends = fc.array(send, { maxLength: 150 });
    fc.assert(
      fc.property(sends, fc.boolean(), fc.constantFrom(1, 5, 64), (list, forged, batch) => {
        const packets = packetsOf(list, forged);
        expect(told(run(packets, SHORT, batch))).toEqual(told(run(packets, {}, batch)));
      }),
      { numRuns: Number(process.env.REJOIN_FUZZ_RUNS ?? 200) },
    );
  });

  it.each(["join-client", "ipv6", "http-many", "delay-loss", "remove-addr", "offload", "strip-synack"])(
    "%s: the same records and totals as with octets",
    async (scenario) => {
      const general = await observe(routerFiles(scenario));
      expect(told(await observe(routerFiles(scenario), SHORT))).toEqual(told(general));
    },
  );
});
