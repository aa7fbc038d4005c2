import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { observe } from "../scenario/observed.ts";
import { routerFiles } from "../scenario/truth.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, keys, option } from "../support/packets.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

const only = (packets: readonly RunPacket[]): SessionRecord => {
  const { records } = run(packets);
  expect(records).toHaveLength(1);
  return sessionRecord.parse(records[0]);
};
const checksums = (packets: readonly RunPacket[]) => only(packets).mptcp.stream.initiator.checksum;

/** RFC 1071 over the octets as RFC 8684 §3.3.1 lays them out: the plain way, 16 bits at a time. */
function checksumOf(dsn: bigint, ssn: number, length: number, payload: Uint8Array): number {
  const header = Buffer.alloc(16);
  header.writeBigUInt64BE(BigInt.asUintN(64, dsn), 0);
  header.writeUInt32BE(ssn, 8);
  header.writeUInt16BE(length, 12);
  const all = Buffer.concat([header, payload, Buffer.alloc(payload.length % 2)]);
  let sum = 0;
  for (let at = 0; at < all.length; at += 2) {
    sum += all.readUInt16BE(at);
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return ~sum & 0xffff;
}

const swap = (word: number): number => ((word & 0xff) << 8) | (word >>> 8);

interface Change {
  readonly narrow?: boolean;
  readonly fin?: boolean;
  readonly checksum?: (right: number) => number;
}

/** One mapping of the initiator's next octets, repeated on segments of these sizes. */
function mapping(talk: Conversation, payload: Buffer, sizes: readonly number[], change: Change = {}): void {
  const dsn = talk.dsn(0, talk.offset[0]);
  const ssn = talk.initial.next[0];
  const length = payload.length + (change.fin ? 1 : 0);
  const right = checksumOf(dsn, ssn, length, payload);
  const dss = option.dss({
    ...{ ack: talk.dsn(1, talk.offset[1]), dsn: change.narrow ? Number(BigInt.asUintN(32, dsn)) : dsn, ssn, length },
    ...{ fin: change.fin ?? false, checksum: change.checksum?.(right) ?? right },
  });
  let at = 0;
  for (const size of [...sizes, payload.length]) {
    const part = payload.subarray(at, at + size);
    if (part.length > 0) talk.segment(talk.initial, 0, ACK, [dss], part);
    at += part.length;
  }
  talk.offset[0] += payload.length;
}

const PAYLOAD = Buffer.from("an odd number of octets, with pieces of odd length");
const open = (): Conversation => new Conversation({ checksum: true }).open();
const GOOD = { verified: 1, failed: 0, old_byte_order: 0, unverifiable: 0, failures: [] };

describe("DSS checksums (RFC 8684 §3.3.1)", () => {
  it("of the example that the test computes by hand: no payload words but 0x0001", () => {
    // Pseudo-header 0000 0000 0000 0001, 0000 0001, 0002, 0000 and payload 0001: the sum is 5.
    expect(checksumOf(1n, 1, 2, Buffer.from([0, 1]))).toBe(0xfffa);
  });

  it.each([
    ["in one segment", []],
    ["in segments of odd length", [7, 11, 1, 3]],
  ])("right, %s", (_, sizes) => {
    const talk = open();
    mapping(talk, PAYLOAD, sizes);
    expect(checksums(talk.packets)).toEqual(GOOD);
  });

  it("32-bit DSNs: the sum is over 64 bits all the same", () => {
    const talk = open();
    mapping(talk, PAYLOAD, [8], { narrow: true });
    expect(checksums(talk.packets)).toEqual(GOOD);
  });

  it("32-bit DSNs behind a wrap of the low half", () => {
    const key = Buffer.alloc(8);
    let left = Number.POSITIVE_INFINITY;
    for (let n = 0; left > 2 ** 24; n++) {
      key.writeUInt32BE(n, 4);
      left = 2 ** 32 - Number(BigInt.asUintN(32, keys.idsn(key, 1)));
    }
    const talk = new Conversation({ checksum: true, keys: [key, Buffer.alloc(8, 9)] }).open();
    mapping(talk, PAYLOAD, []);
    talk.offset[0] = left + 5;
    mapping(talk, PAYLOAD, [], { narrow: true });
    expect(checksums(talk.packets)).toEqual({ ...GOOD, verified: 2 });
  });

  it("with the DATA_FIN, whose octet counts in the length", () => {
    const talk = open();
    mapping(talk, PAYLOAD, [], { fin: true });
    expect(checksums(talk.packets)).toEqual(GOOD);
  });

  it("of a DATA_FIN alone, however often it comes", () => {
    const talk = open();
    const checksum = checksumOf(talk.dsn(0, 0), 0, 1, Buffer.alloc(0));
    const fin = option.dss({ dsn: talk.dsn(0, 0), ssn: 0, length: 1, fin: true, checksum });
    for (let n = 0; n < 3; n++) talk.segment(talk.initial, 0, ACK, [fin]);
    expect(checksums(talk.packets)).toEqual(GOOD);
  });

  it("of first data under a MP_CAPABLE, which states no DSN", () => {
    const talk = open();
    const checksum = checksumOf(talk.dsn(0, 0), 1, PAYLOAD.length, PAYLOAD);
    const capable = option.capable(1, talk.keys, [PAYLOAD.length, checksum], 0x81);
    talk.segment(talk.initial, 0, ACK, [capable], PAYLOAD);
    expect(checksums(talk.packets)).toEqual(GOOD);
  });

  it("in the byte order of older kernels", () => {
    const talk = open();
    mapping(talk, PAYLOAD, [8], { checksum: swap });
    expect(checksums(talk.packets)).toEqual({ ...GOOD, verified: 0, old_byte_order: 1 });
  });

  it("0xffff says what 0x0000 says", () => {
    const talk = open();
    // Two octets that make the sum 0xffff, so that the checksum is 0.
    const payload = Buffer.alloc(4);
    payload.writeUInt16BE(checksumOf(talk.dsn(0, 0), 1, 4, payload), 0);
    mapping(talk, payload, [], { checksum: (right) => right ^ 0xffff });
    expect(checksums(talk.packets)).toEqual(GOOD);
  });

  it("wrong: where, on which subflow, how long", () => {
    const talk = open();
    mapping(talk, PAYLOAD, []);
    mapping(talk, PAYLOAD, [8], { checksum: (right) => (right === 0x1234 ? 0x4321 : 0x1234) });
    const failures = [{ subflow: 0, offset: PAYLOAD.length, length: PAYLOAD.length }];
    const record = only(talk.packets);
    expect(record.mptcp.stream.initiator.checksum).toEqual({ ...GOOD, failed: 1, failures });
    expect(run(talk.packets).totals.verdicts.checksum).toEqual({ verified: 1, failed: 1, unverifiable: 0 });
  });

  it("wrong, and nowhere near the stream: without a place", () => {
    const talk = open();
    for (const away of [2n ** 62n, -5n]) {
      const dss = option.dss({
        ack: talk.dsn(1, 0),
        dsn: talk.dsn(0, 0) + away,
        ssn: talk.initial.next[0],
        length: 4,
        checksum: 1,
      });
      talk.segment(talk.initial, 0, ACK, [dss], Buffer.from("data"));
    }
    expect(checksums(talk.packets)?.failures.map(({ offset }) => offset)).toEqual([null, null]);
  });

  it("at most 16 wrong ones are listed, all are counted", () => {
    const talk = open();
    for (let n = 0; n < 20; n++) mapping(talk, PAYLOAD, [], { checksum: (right) => right ^ 0x0101 });
    const found = checksums(talk.packets);
    expect(found?.failed).toBe(20);
    expect(found?.failures).toHaveLength(16);
    expect(found?.failures[15]).toEqual({ subflow: 0, offset: 15 * PAYLOAD.length, length: PAYLOAD.length });
  });

  it("cannot be had where the copy was cut, or octets are missing", () => {
    const talk = open();
    mapping(talk, PAYLOAD, []);
    mapping(talk, PAYLOAD, [10]);
    const packets = [...talk.packets];
    packets.pop();
    const first = packets[3];
    if (first !== undefined) packets[3] = { ...first, octets: first.octets.subarray(0, first.octets.length - 5) };
    expect(checksums(packets)).toEqual({
      ...GOOD,
      ...{ verified: 0, unverifiable: 2, unverifiable_reasons: { truncated: 1, "octets-missing": 1 } },
    });
  });

  it("cannot be had of mappings that made room for newer ones either", () => {
    const talk = open();
    for (let n = 0; n < 12; n++) {
      mapping(talk, PAYLOAD, [10]);
      talk.packets.pop();
    }
    expect(checksums(talk.packets)).toMatchObject({ verified: 0, unverifiable_reasons: { "octets-missing": 12 } });
  });

  it("null where none was negotiated", () => {
    expect(checksums(new Conversation().open().send(0, "plain").packets)).toBe(null);
    expect(checksums(open().packets)).toEqual({ ...GOOD, verified: 0 });
  });

  it("each octet once, in whichever order and however often segments come", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        fc.constantFrom(1, 3, 64),
        (lengths, sizes, order, batch) => {
          const talk = open();
          for (const [n, length] of lengths.entries()) mapping(talk, Buffer.alloc(length, n + 17), sizes);
          const segments = talk.packets.slice(3);
          // Copies of one packet would be told by their identification; these are sent again.
          const again = order.map((n) => {
            const packet = segments[n % segments.length];
            const octets = Buffer.from(packet?.octets ?? []);
            octets.writeUInt16BE(n & 0xffff, 4);
            return { atMicros: 0, wire: octets.length, octets };
          });
          const all = [...again, ...segments].map((packet, n) => ({ ...packet, atMicros: talk.atMicros + n }));
          const { records } = run([...talk.packets.slice(0, 3), ...all], {}, batch);
          const { initiator } = records[0]?.mptcp.stream ?? {};
          expect(initiator?.checksum).toEqual({ ...GOOD, verified: lengths.length });
          expect(initiator?.octets).toBe(lengths.reduce((a, b) => a + b));
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("DSS checksums of Linux", () => {
  it("right on all of a session over two subflows", async () => {
    const { records } = await observe(routerFiles("checksum"));
    const { initiator, responder } = records[0]?.mptcp.stream ?? {};
    expect(initiator?.checksum).toMatchObject({ failed: 0, old_byte_order: 0, unverifiable: 0 });
    expect(initiator?.checksum?.verified).toBeGreaterThan(100);
    expect(responder?.checksum?.verified).toBeGreaterThan(30);
  });
});

describe("DSS checksums of a session whose handshake was not seen", () => {
  it("are over 64 bits of which 32 were stated: nobody knows the others, though the stream has a beginning", () => {
    const talk = new Conversation({ checksum: true });
    mapping(talk, Buffer.from("narrow"), [6], { narrow: true });
    mapping(talk, Buffer.from("again"), [5], { narrow: true });
    expect(checksums(talk.packets)).toMatchObject({
      ...{ verified: 0, failed: 0, unverifiable: 2, unverifiable_reasons: { "key-unknown": 2 } },
    });
  });
});

describe("a mapping that is stated again with another checksum", () => {
  it("contradicts the first, which holds", () => {
    const talk = new Conversation({ checksum: true }).open();
    const begin = talk.packets.length;
    mapping(talk, Buffer.from("first"), [5]);
    talk.initial.next[0] = 1;
    talk.offset[0] = 0;
    mapping(talk, Buffer.from("first"), [5], { checksum: (right) => right ^ 1 });
    expect(talk.packets).toHaveLength(begin + 2);
    const { stream, subflows } = only(talk.packets).mptcp;
    expect(stream.initiator.checksum).toMatchObject({ verified: 1, failed: 0 });
    expect(subflows[0]?.contradicting_mappings).toBe(1);
  });
});
