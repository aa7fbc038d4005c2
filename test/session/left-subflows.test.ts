import { describe, expect, it } from "vitest";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { Conversation, type Subflow } from "../support/conversation.ts";
import { ACK, addressOctets, FIN, option } from "../support/packets.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

const SERVER = { ip: "10.2.0.2", port: 443 };
const MOST_SUBFLOWS = 256;

/** The n-th join of a session, with data of its own each way, so that it is one. */
const joined = (talk: Conversation, n: number): Subflow =>
  talk.join({ ends: [{ ip: "10.1.9.1", port: 1000 + n }, SERVER], nonces: [n + 1, n + 10_000] });

const end = (talk: Conversation, on: Subflow): Conversation => talk.segment(on, 0, FIN | ACK).segment(on, 1, FIN | ACK);

/**
 * A session whose second subflow has said something and is closed when more joins come than a session may have: it gives
 * way, and a later join gets its place in the tables.
 */
function crowded(say: (talk: Conversation, on: Subflow) => void, later?: (talk: Conversation, on: Subflow) => void) {
  const talk = new Conversation().open().send(0, "first ");
  const gone = joined(talk, 0);
  talk.send(0, "second ", { on: gone });
  say(talk, gone);
  end(talk, gone);
  const others = Array.from({ length: MOST_SUBFLOWS + 1 }, (_, n) => {
    const on = joined(talk, n + 1);
    return n < MOST_SUBFLOWS - 3 ? on : end(talk, on) && on;
  });
  const last = others.at(-1);
  if (last !== undefined) later?.(talk, last);
  return sessionRecord.parse(run(talk.packets, {}, 1).records[0]);
}

const portsOf = (record: SessionRecord): number[] => record.mptcp.subflows.map(({ source }) => source.port);

describe("a subflow that gave way to another", () => {
  it("is named by nothing that it said: MP_PRIO is gone with it, a MP_FAIL stays without", () => {
    const record = crowded((talk, on) => {
      talk.segment(on, 0, ACK, [option.prio(true)]);
      talk.segment(on, 1, ACK, [option.fail(talk.dsn(0, 6))]);
    });
    expect(portsOf(record)).not.toContain(1000);
    expect(record.rejoin?.shed?.subflows).toBe(3);
    expect(record.mptcp.subflows.filter(({ priority }) => priority !== undefined)).toEqual([]);
    expect(record.mptcp.mp_fail).toMatchObject([{ side: "responder", subflow: null, offset: 6 }]);
  });

  it("is named by no conflict, neither one told before it went nor one with octets that it brought", () => {
    const record = crowded(
      (talk, on) => talk.send(0, "FIRST", { on, at: 0 }),
      (talk, on) => talk.send(0, "SECOND", { on, at: 6 }),
    );
    const { conflicts, reinjected_octets } = record.mptcp.stream.initiator;
    expect(conflicts?.map(({ first, second }) => [first.subflow, second.subflow])).toEqual([
      [0, null],
      [null, MOST_SUBFLOWS - 1],
    ]);
    expect(reinjected_octets).toBe(11);
  });
});

describe("a session that fell back on a subflow that gave way", () => {
  it("names no subflow, and takes no plain octets from whoever gets its place", () => {
    const talk = new Conversation().open().send(0, "first ");
    const gone = joined(talk, 0);
    const mapping = { ack: talk.dsn(1, 0), dsn: talk.dsn(0, 6), ssn: 1, length: 0 };
    talk.segment(gone, 0, ACK, [option.dss(mapping)], Buffer.from("infinite"));
    end(talk, gone);
    for (let n = 1; n <= MOST_SUBFLOWS; n++) end(talk, joined(talk, n));
    const last = joined(talk, MOST_SUBFLOWS + 1);
    talk.segment(last, 0, ACK, [option.dss({ dsn: talk.dsn(0, 14), ssn: 1, length: 1 })], Buffer.from("x"));
    talk.segment(last, 0, ACK, [], Buffer.from("plain"));
    const { mptcp } = sessionRecord.parse(run(talk.packets, {}, 1).records[0]);
    expect(mptcp.fallback).toMatchObject({ cause: "infinite-mapping", subflow: null });
    expect(mptcp.stream.initiator.octets).toBe(15);
  });
});

describe("a join that turns out to be one that another agent saw", () => {
  /** IPv4 packets as they are on the other side of an address translator, as another agent saw them. */
  const translated = (packets: readonly RunPacket[], ip: string): RunPacket[] =>
    packets.map((packet) => {
      const octets = Buffer.from(packet.octets);
      for (const at of [12, 16]) {
        if (octets.subarray(at, at + 4).equals(addressOctets("10.1.9.1"))) octets.set(addressOctets(ip), at);
      }
      // It saw them first, and its copies come later.
      return { ...packet, octets, atMicros: packet.atMicros - 300, source: 1 };
    });

  it("what named it names the one that stays", () => {
    const talk = new Conversation().open().send(0, "first ");
    const begin = talk.packets.length;
    const on = joined(talk, 0);
    talk.segment(on, 0, ACK, [option.prio(true)]);
    talk.send(0, "FIRST", { on, at: 0 });
    const copies = translated(talk.packets.slice(begin, begin + 3), "10.1.9.200");
    // A probe of a closed window, and the same sent again by TCP.
    const at = talk.offset[0] - 1;
    talk.segment(on, 1, ACK, [option.dss({ ack: talk.dsn(0, talk.offset[0]) })]);
    const ssn = on.next[0];
    talk.send(0, "?", { on, at });
    const before = talk.packets.length;
    talk.send(0, "?", { on, ssn, at });
    const packets = [...talk.packets.slice(0, before), ...copies, ...talk.packets.slice(before)];
    const { mptcp } = sessionRecord.parse(run(packets, {}, 1).records[0]);
    expect(mptcp.stream.initiator.window_probes).toBe(1);
    expect(mptcp.subflows.map(({ source, translated: seen }) => [source.ip, seen?.length])).toEqual([
      ["10.1.0.1", undefined],
      ["10.1.9.200", 1],
    ]);
    expect(mptcp.subflows[1]?.priority).toMatchObject([{ side: "initiator", backup: true }]);
    expect(mptcp.stream.initiator.conflicts?.[0]?.second.subflow).toBe(1);
  });

  it("leaves no checksum and no MP_TCPRST to whoever gets its number", () => {
    const talk = new Conversation({ checksum: true }).open();
    const begin = talk.packets.length;
    const on = joined(talk, 0);
    const wrong = { dsn: talk.dsn(0, 0), ssn: 1, length: 4, checksum: 1 };
    talk.segment(on, 0, ACK, [option.dss(wrong)], Buffer.from("data")).reset(0, on, [option.reset(3)]);
    const copies = translated(talk.packets.slice(begin, begin + 3), "10.1.9.200");
    const next = new Conversation({
      ...{ checksum: true, atMicros: talk.atMicros + 100_000_000, keys: [Buffer.alloc(8, 3), Buffer.alloc(8, 4)] },
      ends: [
        { ip: "10.3.0.1", port: 40_001 },
        { ip: "10.4.0.2", port: 443 },
      ],
    });
    next.open();
    joined(next, 1);
    joined(next, 2);
    const { records } = run([...talk.packets, ...copies, ...talk.reset(0).packets.slice(-1), ...next.packets], {}, 1);
    expect(records[0]?.mptcp.subflows.map(({ translated: seen }) => seen?.length)).toEqual([undefined, 1]);
    expect(records[1]?.mptcp.stream.initiator.checksum).toMatchObject({ failed: 0 });
    expect(records[1]?.mptcp.subflows.map(({ close }) => close.mp_tcprst)).toEqual([undefined, undefined, undefined]);
  });
});
