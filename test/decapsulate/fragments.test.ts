import { describe, expect, it, vi } from "vitest";
import { Datagram } from "../../src/decapsulate/datagram.ts";
import { FATES } from "../../src/fate.ts";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { finished, ip } from "../support/packets.ts";
import { hex } from "../support/pcap.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

const GRE = 47;

/** An IPv4 packet in fragments of 24 octets. */
function pieces(whole: Uint8Array, id: number): Uint8Array[] {
  const payload = finished(whole).subarray(20);
  return Array.from({ length: Math.ceil(payload.length / 24) }, (_, i) => {
    const piece = Buffer.concat([whole.subarray(0, 20), payload.subarray(i * 24, i * 24 + 24)]);
    piece.writeUInt16BE(piece.length, 2);
    piece.writeUInt16BE(id, 4);
    piece.writeUInt16BE((i * 3) | ((i + 1) * 24 < payload.length ? 0x2000 : 0), 6);
    return piece;
  });
}

/** A GRE copy of a packet, from agent 10.9.0.n, and its fragments. */
const copied = (octets: Uint8Array, n = 1): Uint8Array =>
  ip(GRE, `10.9.0.${n}`, "10.9.0.100", Buffer.concat([hex("0000 0800"), octets]));
const copy = (octets: Uint8Array, id: number, n = 1): Uint8Array[] => pieces(copied(octets, n), id);

const packet = (octets: Uint8Array, atMicros = BEGIN): RunPacket => ({ octets, wire: octets.length, atMicros });
const session = new Conversation().open().send(0, "one").send(1, "two").packets;
const SYN = session[0]?.octets ?? new Uint8Array(0);

describe("fragments", () => {
  it("between others, in one vector: every packet keeps its place and its fate", () => {
    const plain = run(session);
    const packets = session.flatMap(({ octets, atMicros }, i) =>
      (i % 2 === 0 ? copy(octets, i) : [copied(octets)]).map((piece) => packet(piece, atMicros)),
    );
    for (const batch of [1, 2, 3, 64]) {
      const found = run(packets, {}, batch);
      expect(found.records.map(({ mptcp }) => mptcp.stream)).toEqual(plain.records.map(({ mptcp }) => mptcp.stream));
      expect(found.fates).toHaveLength(packets.length);
      expect(found.totals.packets["session/counted"]).toBe(plain.totals.packets["session/counted"]);
      expect(found.totals.packetsIn).toBe(packets.length);
      expect(found.ledgers.map((ledger) => ledger.packets)).toContain(session.length);
    }
  });

  it("of different agents are not mixed, nor are copies of fragments", () => {
    const whole = (octets: readonly Uint8Array[]) =>
      run(octets.map((piece) => packet(piece))).totals.packets["session/counted"] ?? 0;
    const [outer = SYN, ...rest] = copy(SYN, 1);
    const [, ...others] = copy(SYN, 1, 2);
    expect(whole([outer, ...others])).toBe(0);
    expect(whole([outer, ...rest])).toBe(1);
    const [inner = SYN, ...behind] = pieces(session[1]?.octets ?? SYN, 1);
    const of = (n: number) => behind.map((piece) => copied(piece, n));
    expect(whole([copied(inner, 1), ...of(2)])).toBe(0);
    expect(whole([copied(inner, 1), ...of(1)])).toBe(1);
  });

  it("that come again begin no other packet, and are in none", () => {
    const plain = run(session);
    // One identification for all, each fragment twice, the last one first.
    const packets = session.flatMap(({ octets, atMicros }) =>
      copy(octets, 7)
        .toReversed()
        .flatMap((piece) => [packet(piece, atMicros), packet(piece, atMicros)]),
    );
    const { records, totals } = run(packets);
    expect(records.map(({ mptcp }) => mptcp.stream)).toEqual(plain.records.map(({ mptcp }) => mptcp.stream));
    expect(totals.packets["session/counted"]).toBe(plain.totals.packets["session/counted"]);
    expect(totals.shed).toEqual({});
  });

  it("of a packet of which one was lost do not get into the next with its identification", () => {
    const [first = SYN, ...rest] = copy(SYN, 7);
    const other = copy(session[1]?.octets ?? SYN, 7);
    // The next one's own first fragment shows that it is another packet.
    const { totals } = run([first, ...other, ...other.toReversed()].map((piece) => packet(piece)));
    expect(rest.length).toBeGreaterThan(0);
    expect(totals.packets["session/counted"]).toBe(1);
    expect(totals.shed).toEqual({ "fragmented-packets": 1 });
  });

  describe("with other octets in the place of one that came", () => {
    /** A packet of one segment, which says `text`, in fragments of 24 octets. */
    const said = (text: string): Uint8Array[] => {
      const { packets } = new Conversation().open().send(0, text);
      return pieces(packets.at(-1)?.octets ?? SYN, 3);
    };
    const truth = said("what the receiver has had first, in so many words");
    const made = said("what the receiver has had later, in as many words");
    /** The last fragment in which they differ; the first has the checksum. */
    const last = truth.findLastIndex((one, i) => Buffer.compare(one, made[i] ?? SYN) !== 0);
    const [head = SYN] = truth;
    const [otherHead = SYN] = made;
    const opening = new Conversation().open().packets;
    const stream = (...fragments: Uint8Array[]) => {
      const { records, totals } = run([...opening, ...fragments.map((one) => packet(one, BEGIN + 1_000_000))], {
        digest: true,
      });
      const { octets, sha256 } = records[0]?.mptcp.stream.initiator ?? {};
      return { octets, sha256, shed: totals.shed };
    };
    const [ordinary, other] = [stream(...truth), stream(...made)];

    it("are not taken where the first ones have the right checksum, as by Linux", () => {
      expect(ordinary).toMatchObject({ octets: 49, shed: {} });
      expect(last).toBeGreaterThan(0);
      const found = stream(...truth.slice(1), ...made.slice(last, last + 1), head);
      expect(found).toEqual({ ...ordinary, shed: { "fragmented-packets": 1 } });
      const { octets, sha256 } = stream(...truth.slice(1), ...made.slice(1), head);
      expect([octets, sha256]).toEqual([ordinary.octets, ordinary.sha256]);
    });

    it("are those of the next packet where only they have it", () => {
      const rest = made.filter((_, i) => i > 0 && i !== last);
      const found = stream(...truth.slice(last, last + 1), ...made.slice(last, last + 1), ...rest, otherHead);
      expect(found).toEqual({ ...other, shed: { "fragmented-packets": 1 } });
      expect(found.sha256).not.toBe(ordinary.sha256);
    });

    it("of each packet that was none one is told", () => {
      const third = said("what the receiver has had never, in no more words");
      const at = (pieces: readonly Uint8Array[]) => pieces.slice(last, last + 1);
      expect(stream(...at(truth), ...at(made), ...at(third)).shed).toEqual({ "fragmented-packets": 3 });
    });

    it("are put together once, however often one comes again", () => {
      const whole = vi.spyOn(Datagram.prototype, "whole");
      const mixed = [...truth.slice(0, last), ...made.slice(last, last + 1), ...truth.slice(last + 1)];
      stream(...mixed, ...Array<Uint8Array>(50).fill(head));
      expect(whole).toHaveBeenCalledTimes(1);
      whole.mockRestore();
    });

    it("make no packet of two", () => {
      const found = stream(...truth.slice(0, last), ...made.slice(last, last + 1), ...truth.slice(last + 1));
      expect(found).toMatchObject({ octets: 0, shed: { "fragmented-packets": 1 } });
    });
  });

  it("one that cannot be takes nobody's place, and is told once", () => {
    const [first = SYN, ...rest] = copy(SYN, 1);
    const bad = Buffer.from(first.subarray(0, 27));
    bad.writeUInt16BE(27, 2);
    const { totals } = run([first, bad, ...rest, bad].map((piece) => packet(piece)));
    expect(totals.packets["decapsulate/fragment-malformed"]).toBe(2);
    expect(totals).toMatchObject({ sessions: { halfOpen: 1 }, shed: {} });
  });

  it("with a time far from all others keep and forget nothing", () => {
    const [first = SYN, ...rest] = copy(SYN, 1);
    const [tomorrow = SYN] = copy(SYN, 2);
    const packets = [packet(first), packet(tomorrow, BEGIN + 86_400_000_000), ...rest.map((piece) => packet(piece))];
    expect(run(packets).totals.sessions.halfOpen).toBe(1);
    const late = rest.map((piece) => packet(piece, BEGIN + 6_000_000));
    expect(
      run([packet(tomorrow, BEGIN + 86_400_000_000), packet(first), packet(first), ...late]).totals.sessions.halfOpen,
    ).toBe(0);
  });

  it("wait for the others for five seconds, and no longer", () => {
    const [first, ...rest] = copy(SYN, 1);
    if (first === undefined) throw new Error("no fragment");
    const late = (micros: number) => run([packet(first), ...rest.map((piece) => packet(piece, BEGIN + micros))]).totals;
    expect(late(5_000_000)).toMatchObject({ sessions: { halfOpen: 1 }, shed: {} });
    // What was given up, and what began anew with the late ones.
    expect(late(5_000_001)).toMatchObject({ sessions: { halfOpen: 0 }, shed: { "fragmented-packets": 2 } });
  });

  it("of more packets than the bound: the oldest gives way, and is told", () => {
    const begun = Array.from({ length: 1025 }, (_, id) => copy(SYN, id));
    const [oldest = [], ...others] = begun;
    const packets = [...begun.map(([first]) => first), ...others.flatMap(([, ...rest]) => rest), ...oldest.slice(1)];
    const { totals } = run(packets.flatMap((piece) => (piece === undefined ? [] : packet(piece))));
    // The oldest, and the rest of it, which began anew.
    expect(totals.shed["fragmented-packets"]).toBe(2);
    expect(totals.packetsIn).toBe(packets.length);
  });

  it("of more octets than the bound: the oldest gives way", () => {
    const large = new Uint8Array(60_000);
    // 140 of them are 8,400,000 octets; and one that is complete stays for a while.
    const begun = Array.from({ length: 140 }, (_, id) => {
      const first = ip(GRE, "10.9.0.1", "10.9.0.100", large);
      const last = ip(GRE, "10.9.0.1", "10.9.0.100", new Uint8Array(8));
      for (const [octets, place] of [
        [first, 0x2000],
        [last, 60_000 / 8],
      ] as const) {
        new DataView(octets.buffer, octets.byteOffset).setUint16(4, id);
        new DataView(octets.buffer, octets.byteOffset).setUint16(6, place);
      }
      return [packet(first), packet(last)] as const;
    });
    const [oldest, next] = begun;
    if (oldest === undefined || next === undefined) throw new Error("no fragment");
    const { fates } = run([...begun.map(([first]) => first), next[1], oldest[1]]);
    const named = fates.slice(-2).map((fate) => FATES[fate]?.reason);
    // What was completed is GRE of protocol type 0.
    expect(named).toEqual(["gre-keepalive", "fragment"]);
  });

  it("an overlap gives its packet up, and says so of all that still come", () => {
    const [first, ...rest] = copy(SYN, 1);
    if (first === undefined) throw new Error("no fragment");
    const shifted = Buffer.from(first);
    shifted.writeUInt16BE(0x2001, 6);
    const { totals } = run([first, shifted, ...rest].map((piece) => packet(piece)));
    expect(totals.packets).toEqual({ "decapsulate/fragment": 1, "decapsulate/fragment-overlap": 1 + rest.length });
    expect(totals.shed).toEqual({});
  });

  /** An IPv6 fragment of TCP with so many octets, whose place and flag are these 16 bits. */
  const ipv6 = (place: string, octets = 16) =>
    packet(
      hex(`60000000 ${(8 + octets).toString(16).padStart(4, "0")} 2c 40 | length, then a fragment header
           20010db8000000000000000000000001
           20010db8000000000000000000000002
           06 00 ${place} 00000007 | TCP, place, identification
           ${"00".repeat(octets)}`),
    );
  const reasons = (...fragments: RunPacket[]) => run(fragments).fates.map((fate) => FATES[fate]?.reason);

  it.each([
    ["from octet 8, more behind it", "0009"],
    ["from octet 8, none behind it", "0008"],
  ])("of IPv6, an overlap (RFC 5722): %s", (_, place) => {
    expect(reasons(ipv6("0001"), ipv6(place), ipv6("0011"))).toEqual([
      "fragment",
      "fragment-overlap",
      "fragment-overlap",
    ]);
  });

  it("of IPv6 without others is a packet of its own (RFC 6946)", () => {
    expect(reasons(ipv6("0001"), ipv6("0000", 20), ipv6("0011"))).toEqual(["fragment", "tcp-malformed", "fragment"]);
  });

  it("of IPv6, past 65,535 octets in all, or of a length that only the last has", () => {
    expect(reasons(ipv6("fff8"), ipv6("0001", 15))).toEqual(["fragment-malformed", "fragment-malformed"]);
  });

  it("of fragments: a copy in pieces, of a tunnel's packet that was in pieces itself", () => {
    const packets = session.flatMap(({ octets, atMicros }, i) =>
      copy(octets, i).flatMap((piece, j) => copy(piece, 100 * i + j, 2).map((one) => packet(one, atMicros))),
    );
    const { records, totals, ledgers } = run(packets);
    expect(records).toHaveLength(1);
    // Who was in the tunnel is nobody's agent.
    expect(records[0]?.mptcp.subflows[0]?.agents).toEqual(["10.9.0.2"]);
    expect(ledgers.filter(({ address }) => address !== null).map(({ address }) => address)).toEqual(["10.9.0.2"]);
    expect(totals.packetsIn).toBe(packets.length);
  });
});
