import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import { observe } from "../scenario/observed.ts";
import { routerFiles } from "../scenario/truth.ts";
import { Conversation, type Subflow } from "../support/conversation.ts";
import { SYN } from "../support/packets.ts";
import { type Run, type RunPacket, run } from "../support/pipeline-run.ts";

/** Nobody wants octets: packets of a session's steady state take the short way. */
const SHORT = { octets: null, digest: false } as const;

/** All that does not depend on whether octets are wanted. */
const told = ({ records, totals }: Pick<Run, "records" | "totals">): unknown => ({
  totals,
  records: records.map((record: SessionRecord) => {
    const { sha256: _, sha256_unavailable: __, ...initiator } = record.mptcp.stream.initiator;
    const { sha256: ___, sha256_unavailable: ____, ...responder } = record.mptcp.stream.responder;
    return { ...record, mptcp: { ...record.mptcp, stream: { initiator, responder } } };
  }),
});

const send = fc.record({
  side: fc.constantFrom<0 | 1>(0, 1),
  on: fc.nat(2),
  length: fc.nat(40),
  narrow: fc.boolean(),
  /**
   * What becomes of the segment on its way; `again` sends octets that were sent before, on whichever subflow; `far` and
   * `before` lie outside the stream.
   */
  fate: fc.constantFrom("comes", "comes", "comes", "comes", "lost", "late", "twice", "cut", "again", "far", "before"),
  far: fc.integer({ min: 1, max: 12 }),
});

/** What else may be odd about the session. */
const oddities = fc.record({
  /** The third subflow's HMAC is wrong. */
  forged: fc.boolean(),
  /** What was seen of the handshake. */
  opened: fc.constantFrom<("syn" | "syn-ack" | "ack")[]>(
    ["syn", "syn-ack", "ack"],
    ["syn", "syn-ack"],
    ["syn-ack"],
    [],
  ),
  /** Octets that copies are cut to. */
  snap: fc.constantFrom(null, null, 72, 90, 126),
  /** Another connection takes the initial subflow's 4-tuple, with or without an option. */
  taken: fc.constantFrom(null, null, "plain", "mptcp"),
  batch: fc.constantFrom(1, 5, 64),
});

type Value<T> = T extends fc.Arbitrary<infer V> ? V : never;

/** The packets of a session of three subflows, one of them opened by the responder. */
function packetsOf(
  sends: readonly Value<typeof send>[],
  { forged, opened, snap, taken }: Value<typeof oddities>,
): RunPacket[] {
  const talk = new Conversation().open(opened);
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
    const next = talk.offset[side];
    const places: Record<string, number> = { again: Math.max(0, next - far), far: next + 2 ** 41, before: -far };
    talk.send(side, Buffer.alloc(length, n), { on: subflow, narrow, at: places[fate] ?? next });
    if (fate === "far") talk.offset[side] = next;
    const [packet] = talk.packets.splice(0);
    if (packet === undefined) continue;
    if (fate === "late") late.push({ packet, due: n + far });
    else if (fate === "cut") packets.push({ ...packet, octets: packet.octets.subarray(0, packet.octets.length - far) });
    else if (fate !== "lost") packets.push(packet);
    if (fate === "twice") packets.push({ ...packet, source: 1 });
    for (const one of late) if (one.due === n) packets.push({ ...one.packet, atMicros: packet.atMicros });
  }
  if (taken !== null) {
    const next = new Conversation({
      isn: [7, 8],
      keys: [Buffer.alloc(8, 5), Buffer.alloc(8, 6)],
      atMicros: talk.atMicros,
    });
    packets.push(...(taken === "plain" ? next.segment(next.initial, 0, SYN) : next.open().send(0, "next")).packets);
  } else packets.push(...talk.close(...subflows).packets);
  return packets.map((packet) => ({ ...packet, octets: packet.octets.subarray(0, snap ?? packet.octets.length) }));
}

describe("the short way of a session's steady state", () => {
  it("tells what the general way tells, whatever is lost, late, twice, cut or sent again", () => {
    const sends = fc.array(send, { maxLength: 150, size: "max" });
    fc.assert(
      fc.property(sends, oddities, (list, odd) => {
        const packets = packetsOf(list, odd);
        const [short, general] = [run(packets, SHORT, odd.batch), run(packets, {}, odd.batch)];
        expect(short.fates).toEqual(general.fates);
        expect(told(short)).toEqual(told(general));
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
