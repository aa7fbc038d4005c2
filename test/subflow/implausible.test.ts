import { describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import { Conversation, type Side } from "../support/conversation.ts";
import { ACK, option, RST, SYN, segment } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";

/** Far from where either direction is, as a stranger's guess is nearly always. */
const ELSEWHERE = { seq: 0x7eadbeef, ack: 0 };

/** A segment without payload that a stranger sends under the initial subflow's addresses. */
function forge(talk: Conversation, side: Side, options: readonly Uint8Array[], { seq, ack } = ELSEWHERE): void {
  const { ends } = talk.initial;
  const other = side === 0 ? 1 : 0;
  const octets = segment({
    from: ends[side],
    to: ends[other],
    flags: ACK,
    seq,
    ack,
    options,
    payload: Buffer.alloc(0),
  });
  talk.packets.push({ atMicros: talk.atMicros, wire: octets.length, octets });
  talk.atMicros += 1000;
}

/** A talk into which `inject` puts segments in the middle. */
function talkWith(inject: (talk: Conversation) => void): Conversation {
  const talk = new Conversation().open().send(0, "GET").send(1, "OK");
  inject(talk);
  for (let n = 0; n < 8; n++) talk.send(0, `client ${n}\n`).send(1, `server ${n}\n`);
  return talk.close();
}

/** What a record says of the session, whoever else speaks. */
function said(record: SessionRecord | undefined): unknown {
  const { stream, close, fallback, session } = record?.mptcp ?? {};
  return { stream, close, fallback, session, contradicting: record?.mptcp.subflows[0]?.contradicting_mappings };
}

const recordOf = (talk: Conversation): SessionRecord | undefined => run(talk.packets).records[0];

const low = (dsn: bigint): number => Number(dsn & 0xffffffffn);

describe("what a stranger says without payload", () => {
  it.each<[name: string, side: Side, options: (talk: Conversation) => readonly Uint8Array[]]>([
    [
      "a mapping for the octets to come",
      0,
      (talk) => [option.dss({ dsn: talk.dsn(0, 100_000), ssn: talk.initial.next[0], length: 60_000 })],
    ],
    ["an infinite mapping", 0, () => [option.dss({ dsn: 12_345, ssn: 77, length: 0 })]],
    ["a DATA_FIN ahead", 0, (talk) => [option.dss({ dsn: low(talk.dsn(0, 1_000_000)), length: 1, fin: true })]],
    ["a data ACK ahead", 1, (talk) => [option.dss({ ack: low(talk.dsn(0, 500_000_000)) })]],
    ["other keys", 0, () => [option.capable(1, [Buffer.alloc(8, 9), Buffer.alloc(8, 8)])]],
    ["a failure", 0, (talk) => [option.fail(talk.dsn(1, 0))]],
  ])("%s: counted and told, and no more", (_, side, options) => {
    const record = recordOf(talkWith((talk) => forge(talk, side, options(talk))));
    expect(said(record)).toEqual(said(recordOf(talkWith((talk) => talk.wait(0.001)))));
    expect(record?.mptcp.subflows[0]?.implausible_segments).toBe(1);
  });

  it("not even near where its direction is, unless it acknowledges what is near too", () => {
    const clean = recordOf(talkWith((talk) => talk.wait(0.001)));
    const said2 = (ack: (talk: Conversation) => number): SessionRecord | undefined =>
      recordOf(
        talkWith((talk) => {
          const seq = talk.initial.isn[0] + talk.initial.next[0] + 100;
          forge(talk, 0, [option.dss({ dsn: talk.dsn(0, 3), ssn: talk.initial.next[0] + 100, length: 9 })], {
            seq,
            ack: ack(talk),
          });
        }),
      );
    expect(said(said2(() => 0x70000000))).toEqual(said(clean));
    const near = said2((talk) => talk.initial.isn[1] + talk.initial.next[1]);
    expect(near?.mptcp.subflows[0]?.implausible_segments).toBeUndefined();
  });

  it("a mapping that begins far from its segment maps nothing", () => {
    const talk = new Conversation().open().send(0, "GET").send(1, "OK");
    const far = talk.initial.next[0] + 2 ** 24 + 1;
    talk.segment(talk.initial, 0, ACK, [option.dss({ dsn: talk.dsn(0, 3), ssn: far, length: 0 })]);
    const record = recordOf(talk.send(0, "again").close());
    expect(record?.mptcp.fallback).toBe(null);
    expect(record?.mptcp.subflows[0]?.implausible_segments).toBe(1);
  });
});

describe("a mapping where no octets can be", () => {
  const mapping = (talk: Conversation): Buffer =>
    option.dss({ dsn: talk.dsn(0, 5_000_000), ssn: talk.initial.next[0], length: 0xffff });
  const clean = said(recordOf(talkWith((talk) => talk.wait(0.001))));

  it.each([0, 5000, -10_000_000])("on a RST %i octets away maps nothing", (away) => {
    const record = recordOf(
      talkWith((talk) => {
        const next = talk.initial.next[0];
        talk.segment(talk.initial, 0, RST, [mapping(talk)], Buffer.alloc(0), next + away);
        talk.initial.next[0] = next;
      }),
    );
    expect(said(record)).toEqual(clean);
  });

  it("on a SYN that comes again maps nothing, nor does its DATA_FIN end the stream", () => {
    const record = recordOf(
      talkWith((talk) => {
        talk.segment(talk.initial, 0, SYN, [mapping(talk)], Buffer.alloc(0), 0);
        talk.segment(talk.initial, 0, SYN, [option.dss({ dsn: talk.dsn(0, 3), length: 1, fin: true })]);
      }),
    );
    expect(said(record)).toEqual(clean);
  });

  it("MP_FASTCLOSE and MP_TCPRST of a RST are read beside it", () => {
    const talk = new Conversation().open().send(0, "GET");
    talk.segment(talk.initial, 0, RST | ACK, [mapping(talk), option.reset(3)]);
    expect(recordOf(talk)?.mptcp.subflows[0]?.close.mp_tcprst).toMatchObject({ side: "initiator", code: 3 });
    const closed = new Conversation().open().send(0, "GET");
    closed.segment(closed.initial, 0, RST | ACK, [option.fastclose(closed.keys[1])]);
    expect(recordOf(closed)?.mptcp.close?.reason).toBe("fastclose");
  });
});
