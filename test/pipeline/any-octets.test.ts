import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sessionRecord } from "../../schema/session-record.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, option } from "../support/packets.ts";
import { type Run, type RunPacket, run } from "../support/pipeline-run.ts";

/** REJOIN_FUZZ_RUNS makes the search longer; a failure prints seed and path. */
const numRuns = Number(process.env.REJOIN_FUZZ_RUNS ?? 300);

/** What holds whatever came: each packet has one fate, each record is a record, and none is made twice. */
function expectAccounted({ totals, records, fates }: Run, packets: number): void {
  expect(totals.packetsIn).toBe(packets);
  expect(Object.values(totals.packets).reduce((sum, count) => sum + count, 0)).toBe(packets);
  expect(fates.filter((fate) => fate === 0)).toEqual([]);
  expect(totals.sessions.live).toBe(0);
  for (const record of records) {
    const parsed = sessionRecord.safeParse(record);
    expect(parsed.error?.issues ?? []).toEqual([]);
  }
}

/** A session with everything in it that the library reads. */
function rich(version: 0 | 1): Conversation {
  const talk = new Conversation({ version }).open().send(0, "request").send(1, "answer".repeat(40));
  talk.segment(talk.initial, 1, ACK, [option.addAddr(version, 3, "10.2.0.9", 99)]);
  const second = talk.join({ opener: 1, backup: true });
  talk.send(0, "more", { on: second }).send(1, "and more", { on: second, narrow: true });
  talk.segment(talk.initial, 0, ACK, [option.removeAddr(3), option.prio(true)]);
  talk.segment(second, 1, ACK, [option.fail(5n)]);
  talk.close(talk.initial, second);
  talk.segment(talk.initial, 0, 4, [option.fastclose(talk.keys[1]), option.reset(1)]);
  return talk;
}

const linkTypes = fc.constantFrom(0, 1, 12, 14, 101, 108, 113, 228, 229, 276, 147);

describe("whatever the octets are", () => {
  it("random ones never throw, and all are accounted for", () => {
    const any = fc.record({
      octets: fc.uint8Array({ maxLength: 120, size: "max" }),
      linkType: linkTypes,
      more: fc.nat(2000),
      atMicros: fc.double({ min: 0, max: 2e15, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 150, size: "max" }), (list) => {
        const packets = list.map(({ more, ...rest }) => ({ ...rest, wire: rest.octets.length + more }));
        expectAccounted(run(packets), packets.length);
      }),
      { numRuns },
    );
  });

  it("real ones with octets changed, cut, swapped, doubled and lost", () => {
    const originals = ([0, 1] as const).map((version) => rich(version).packets);
    const change = fc.record({
      kind: fc.constantFrom("set", "cut", "swap", "double", "drop", "agent", "time"),
      at: fc.nat(10_000),
      octet: fc.nat(119),
      value: fc.nat(255),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(0, 1),
        fc.array(change, { maxLength: 12, size: "max" }),
        fc.constantFrom(1, 7, 64),
        (v, list, batch) => {
          const packets: RunPacket[] = (originals[v] ?? []).map((packet) => ({ ...packet }));
          for (const { kind, at, octet, value } of list) {
            const i = at % packets.length;
            const found = packets[i];
            if (found === undefined) continue;
            const octets = Uint8Array.from(found.octets);
            if (kind === "set") octets[octet % octets.length] = value;
            if (kind === "set") packets[i] = { ...found, octets };
            if (kind === "cut") packets[i] = { ...found, octets: octets.subarray(0, Math.max(1, octet)) };
            if (kind === "agent") packets[i] = { ...found, source: value % 3 };
            if (kind === "time") packets[i] = { ...found, atMicros: found.atMicros + (value - 128) * 1e6 };
            if (kind === "double") packets.splice((i + value) % packets.length, 0, { ...found, source: value % 3 });
            if (kind === "drop" && packets.length > 1) packets.splice(i, 1);
            if (kind === "swap") packets.push(...packets.splice(i, 1));
          }
          expectAccounted(run(packets, { revisions: "all" }, batch), packets.length);
        },
      ),
      { numRuns },
    );
  });

  it("the size of vectors does not show in records", () => {
    for (const version of [0, 1] as const) {
      const { packets } = rich(version);
      const whole = run(packets, {}, 64);
      for (const batch of [1, 2, 13]) expect(run(packets, {}, batch).records).toEqual(whole.records);
    }
  });
});
