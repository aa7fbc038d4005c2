import { describe, expect, it } from "vitest";
import { Conversation, type Subflow } from "../support/conversation.ts";
import { ACK, option, SYN } from "../support/packets.ts";
import { type Run, run } from "../support/pipeline-run.ts";

/** The octets placed of one side of the first session, holes as dots. */
function sent({ records, streams }: Run, side: 0 | 1): string {
  const [record] = records;
  const stream = record?.mptcp.stream[side === 0 ? "initiator" : "responder"];
  const holes = stream?.missing.reduce((sum, { length }) => sum + length, 0) ?? 0;
  const octets = streams.of(record?.mptcp.session.id ?? "", side, (stream?.octets ?? 0) + holes);
  return octets.toString("latin1").replaceAll("\0", ".");
}

describe("segments of a handshake that were not seen", () => {
  it("of a join's answer: data whose place on the subflow is not certain is not placed", () => {
    const talk = new Conversation().open();
    const joined = talk.join();
    const [syn] = talk.packets.splice(-3);
    if (syn !== undefined) talk.packets.push(syn);
    talk.send(0, "on the first").send(1, "first ");
    // One mapping over three segments of the listener, the middle one of which comes first.
    const dsn = talk.dsn(1, 6);
    const mapped = (at: number, text: string) =>
      talk.segment(
        joined,
        1,
        ACK,
        [option.dss({ ack: talk.dsn(0, 12), dsn, ssn: 1, length: 6 })],
        Buffer.from(text),
        1 + at,
      );
    mapped(2, "cd");
    expect(sent(run(talk.packets), 1)).toBe("first ");
    mapped(0, "ab");
    mapped(4, "ef");
    mapped(2, "cd");
    expect(sent(run(talk.packets), 1)).toBe("first ..cdef");
  });

  it("before the first data: MP_CAPABLE is on all segments of its mapping", () => {
    const talk = new Conversation();
    const first = option.capable(1, talk.keys, [9]);
    for (const [at, text] of [
      [3, "def"],
      [0, "abc"],
      [6, "ghi"],
    ] as const) {
      talk.segment(talk.initial, 0, ACK, [first], Buffer.from(text), 1 + at);
    }
    talk.segment(talk.initial, 0, ACK, [first], Buffer.from("abc"), 1);
    expect(sent(run(talk.packets), 0)).toBe("abc...ghi");
  });

  it("that come after data: what counts from the stream's beginning has no place among what counts from elsewhere", () => {
    const talk = new Conversation();
    talk.offset[0] = 100;
    talk.send(0, "in the middle", { ssn: 101 });
    talk.segment(talk.initial, 0, ACK, [option.capable(1, talk.keys, [18])], Buffer.from("from the beginning"), 1);
    expect(sent(run(talk.packets), 0)).toBe("in the middle");
  });
});

describe("a join whose third ACK proves nothing", () => {
  const JOIN = [
    { ip: "10.1.9.1", port: 50_000 },
    { ip: "10.2.0.2", port: 443 },
  ] as const;

  /** What a stranger sends to join, and octets that are not the session's; whether its SYN/ACK was seen. */
  const strange = (isAnswered: boolean): { talk: Conversation; on: Subflow } => {
    const talk = new Conversation().open().send(1, "x");
    if (isAnswered) {
      const on = talk.join({ ends: JOIN });
      // The third ACK was not seen.
      talk.packets.pop();
      return { talk, on };
    }
    const on: Subflow = { ends: JOIN, opener: 0, isn: [7, 8], next: [1, 1] };
    talk.segment(on, 0, SYN, [option.joinSyn(talk.token(1), 1, 1)]);
    talk.segment(on, 0, ACK, [option.joinAck(Buffer.alloc(20, 5))]);
    return { talk, on };
  };
  const answer = (talk: Conversation, on: Subflow, octets: number) =>
    talk.segment(on, 1, ACK, [option.dss({ ack: talk.dsn(0, octets) })]);

  it.each([true, false])(
    "is not believed for one answer, nor for some far from the stream (SYN/ACK: %s)",
    (hasAnswer) => {
      const { talk, on } = strange(hasAnswer);
      talk.send(0, "EVIL", { on });
      answer(talk, on, 4);
      for (let n = 0; n < 5; n++) answer(talk, on, 2 ** 32 + n);
      const found = run(talk.send(0, "good", { at: 0 }).close().packets);
      expect(sent(found, 0)).toBe("good");
      expect(found.records[0]?.mptcp.stream.initiator).toMatchObject({ complete: true, conflicting: 0 });
    },
  );

  it("is not believed after a reset", () => {
    const { talk, on } = strange(true);
    talk.reset(1, on).send(0, "EVIL", { on });
    for (let n = 0; n < 5; n++) answer(talk, on, 4);
    expect(sent(run(talk.send(0, "good", { at: 0 }).packets), 0)).toBe("good");
  });

  it.each([true, false])("is believed once its listener goes on answering (SYN/ACK: %s)", (hasAnswer) => {
    const { talk, on } = strange(hasAnswer);
    talk.send(0, "one ", { on });
    answer(talk, on, 4);
    talk.send(0, "two ", { on });
    answer(talk, on, 8);
    talk.send(0, "three", { on });
    expect(sent(run(talk.packets), 0)).toBe("");
    answer(talk, on, 13);
    expect(sent(run(talk.packets), 0)).toBe("one two three");
  });
});

it("a SYN/ACK that was cut inside its options is not one without", () => {
  const talk = new Conversation().open().send(0, "hello").close();
  const packets = talk.packets.map((packet, n) =>
    n === 1 ? { ...packet, octets: packet.octets.subarray(0, 44) } : packet,
  );
  const found = run(packets);
  expect(found.records[0]?.mptcp.fallback).toBeNull();
  expect(sent(found, 0)).toBe("hello");
});
