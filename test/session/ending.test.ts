import { describe, expect, it } from "vitest";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { ACK, FIN, option, RST, SYN } from "../support/packets.ts";
import { type Run, run } from "../support/pipeline-run.ts";

const only = ({ records }: Run): SessionRecord => {
  expect(records).toHaveLength(1);
  return sessionRecord.parse(records[0]);
};

/** A packet of somebody else, which lets packet time pass. */
const later = (talk: Conversation, seconds: number) => {
  talk.wait(seconds);
  return new Conversation({
    atMicros: talk.atMicros,
    ends: [
      { ip: "10.7.0.1", port: 1 },
      { ip: "10.7.0.2", port: 2 },
    ],
  }).open(["syn"]).packets;
};

const closeOf = (found: Run): unknown[] => found.records.map(({ mptcp }) => mptcp.close);

describe("MP_FASTCLOSE", () => {
  it.each([0, 1] as const)("from side %i with the other's key ends the session", (side) => {
    const talk = new Conversation().open().send(0, "abc");
    const key = talk.keys[side === 0 ? 1 : 0];
    talk.segment(talk.initial, side, RST | ACK, [option.fastclose(key), option.reset(0)]);
    const record = only(run(talk.packets));
    expect(record.mptcp.close).toEqual({ reason: "fastclose", by: side === 0 ? "initiator" : "responder" });
    expect(record.mptcp.subflows[0]?.close.reason).toBe("fastclose");
    expect(record.event.reason).toMatch(/MP_FASTCLOSE/);
  });

  it("with another key ends nothing", () => {
    const talk = new Conversation().open().send(0, "abc");
    talk
      .segment(talk.initial, 0, ACK, [option.fastclose(talk.keys[0])])
      .send(0, "def")
      .close();
    const { mptcp } = only(run(talk.packets));
    expect(mptcp.close?.reason).toBe("fin");
    expect(mptcp.stream.initiator.octets).toBe(6);
  });
});

describe("RST", () => {
  it("of one subflow closes that subflow and no more", () => {
    const talk = new Conversation().open();
    const second = talk.join();
    talk.send(0, "a").reset(1, second).send(0, "b").close();
    const { mptcp } = only(run(talk.packets));
    expect(mptcp.close).toEqual({ reason: "fin", by: "both" });
    expect(mptcp.subflows.map(({ close }) => close.reason)).toEqual(["fin", "reset"]);
    expect(mptcp.stream.initiator).toMatchObject({ octets: 2, complete: true });
  });

  it("of every subflow is a reset, by who sent the last", () => {
    const talk = new Conversation().open();
    const second = talk.join();
    talk.send(0, "a").reset(0, second).reset(1);
    const found = run([...talk.packets, ...later(talk, 120)]);
    expect(only(found).mptcp.close).toEqual({ reason: "reset", by: "responder" });
  });

  it("of the only subflow, and a join within a minute: the session lives on", () => {
    const talk = new Conversation().open().send(0, "a").reset(0).wait(30);
    const second = talk.join();
    talk.send(0, "b", { on: second }).close(second);
    const { mptcp } = only(run(talk.packets));
    expect(mptcp.close).toEqual({ reason: "fin", by: "both" });
    expect(mptcp.stream.initiator).toMatchObject({ octets: 2, complete: true });
  });
});

describe("a session without a subflow", () => {
  it("whose last one was closed in order goes on with a join within a minute (break before make)", () => {
    const talk = new Conversation().open().send(0, "a").fins().wait(40);
    const second = talk.join();
    talk.send(0, "b", { on: second }).dataFin(0, second).dataFin(1, second).fins(second);
    const { mptcp } = only(run(talk.packets));
    expect(mptcp.close).toEqual({ reason: "fin", by: "both" });
    expect(mptcp.subflows.map(({ close }) => close.reason)).toEqual(["fin", "fin"]);
    expect(mptcp.stream.initiator).toMatchObject({ octets: 2, complete: true });
  });

  it("ends after that minute, in order of the side whose DATA_FIN was seen", () => {
    const talk = new Conversation().open().send(0, "a").dataFin(0).fins();
    const end = talk.atMicros;
    const record = only(run([...talk.packets, ...later(talk, 100)]));
    expect(record.mptcp.close).toEqual({ reason: "fin", by: "initiator" });
    expect(Date.parse(record["@timestamp"])).toBeGreaterThan(end / 1000 + 59_000);
  });

  it("that fell back to TCP is over when that is", () => {
    const talk = new Conversation().open(["syn"]);
    const on = talk.initial;
    talk
      .segment(on, 1, SYN | ACK)
      .segment(on, 0, ACK)
      .segment(on, 0, ACK, [], Buffer.from("x"));
    talk.segment(on, 0, FIN | ACK).segment(on, 1, FIN | ACK);
    const end = talk.atMicros;
    const record = only(run([...talk.packets, ...later(talk, 5)]));
    expect(record.mptcp.close).toEqual({ reason: "fin", by: "both" });
    expect(Date.parse(record["@timestamp"])).toBeLessThan(end / 1000 + 2000);
  });
});

describe("DATA_FINs that nobody acknowledged, while octets are missing before them", () => {
  const held = (): Conversation => {
    const talk = new Conversation().open().send(0, "abc").send(1, "de");
    for (const side of [0, 1] as const) {
      talk.offset[side] += 1000;
      talk.dataFin(side);
      talk.offset[side] -= 1000;
    }
    return talk;
  };

  it("do not end a session by quiet", () => {
    const talk = held();
    const packets = [...talk.packets, ...later(talk, 30)];
    const rest = talk.send(0, "fgh").close().packets.slice(-7);
    const record = only(run([...packets, ...rest], {}, 1));
    expect(record.mptcp.close).toEqual({ reason: "fin", by: "both" });
    expect(record.mptcp.stream).toMatchObject({ initiator: { octets: 6, complete: true } });
  });

  /** Each side acknowledges the other's octets and DATA_FIN. */
  const acknowledged = (talk: Conversation, octets: readonly [number, number]): Conversation => {
    for (const side of [0, 1] as const) {
      talk.segment(talk.initial, side === 0 ? 1 : 0, ACK, [option.dss({ ack: talk.dsn(side, octets[side] + 1) })]);
    }
    return talk;
  };

  it("end no session whose octets were acknowledged and whose subflow is open", () => {
    const talk = new Conversation().open().send(0, "hello").send(1, "answer");
    acknowledged(talk, [4, 5]);
    for (const side of [0, 1] as const) {
      const { offset } = talk;
      talk.segment(talk.initial, side, ACK, [option.dss({ dsn: talk.dsn(side, offset[side]), length: 1, fin: true })]);
    }
    const packets = [...talk.packets, ...later(talk, 6), ...later(talk, 6), ...later(talk, 6)];
    talk.wait(25).send(0, "and on");
    const record = only(run([...packets, ...talk.packets.slice(-1)], {}, 1));
    expect(record.mptcp.stream.initiator.octets).toBe(11);
  });

  it("end it in order once what was missing has come", () => {
    const talk = new Conversation().open().send(0, "abc").send(1, "de").send(0, "late").dataFin(0).dataFin(1);
    acknowledged(talk, [7, 2]);
    const [late] = talk.packets.splice(5, 1);
    if (late !== undefined) talk.packets.push({ ...late, atMicros: talk.atMicros });
    const end = talk.atMicros;
    const steps = Array.from({ length: 20 }, () => later(talk, 6)).flat();
    const { records } = run([...talk.packets, ...steps], {}, 1);
    expect(records[0]?.mptcp.close).toEqual({ reason: "fin", by: "both" });
    expect(records[0]?.mptcp.stream.initiator.complete).toBe(true);
    // At the end of the input it would have ended with its last packet.
    const seconds = (Date.parse(records[0]?.["@timestamp"] ?? "") * 1000 - end) / 1e6;
    expect(seconds).toBeGreaterThan(9);
    expect(seconds).toBeLessThan(21);
  });
});

describe("a RST or FIN that its host does not take", () => {
  it.each([
    ["RST", [RST]],
    ["FINs of both sides", [FIN | ACK, FIN | ACK]],
  ])("ends no session that goes on: %s", (_, flags) => {
    const talk = new Conversation().open().send(0, "hello").send(1, "answer");
    for (const [n, flag] of flags.entries()) {
      const side = n === 0 ? 1 : 0;
      const next = talk.initial.next[side];
      talk.segment(talk.initial, side, flag, [], Buffer.alloc(0), next + 5_000_000);
      talk.initial.next[side] = next;
    }
    for (let second = 0; second < 100; second++) talk.wait(1).send(0, "x").send(1, "y");
    const record = only(run(talk.close().packets));
    expect(record.mptcp.stream).toMatchObject({ initiator: { octets: 105 }, responder: { octets: 106 } });
  });
});

describe("ends by time", () => {
  it("FINs without DATA_FINs close a session in order of neither", () => {
    const talk = new Conversation().open().send(0, "a").fins();
    expect(only(run(talk.packets)).mptcp.close).toEqual({ reason: "fin", by: null });
  });

  it("a closed session ends a second later, in packet time", () => {
    const talk = new Conversation().open().send(0, "a").close();
    const ended = talk.atMicros - 1000;
    const record = only(run([...talk.packets, ...later(talk, 5)]));
    const seconds = (Date.parse(record["@timestamp"]) * 1000 - ended) / 1e6;
    expect(Math.abs(seconds - 1)).toBeLessThan(0.1);
    expect(Date.parse(record.event.end)).toBe(Math.floor(ended / 1000));
  });

  it("a session without a packet for half an hour is idle", () => {
    const talk = new Conversation().open().send(0, "a");
    const steps = Array.from({ length: 400 }, () => later(talk, 6)).flat();
    const found = run([...talk.packets, ...steps], {}, 1);
    expect(closeOf(found)[0]).toEqual({ reason: "idle", by: null });
  });

  it("an unanswered SYN is given up after a minute", () => {
    const talk = new Conversation().open(["syn"]);
    const steps = Array.from({ length: 40 }, () => later(talk, 6)).flat();
    const found = run([...talk.packets, ...steps], {}, 1);
    expect(found.totals.sessions.halfOpen).toBeGreaterThanOrEqual(2);
    expect(found.records).toEqual([]);
  });

  it("the end of the input ends the rest, as that", () => {
    const talk = new Conversation().open().send(0, "a");
    expect(closeOf(run(talk.packets))).toEqual([{ reason: "end-of-input", by: null }]);
  });

  it("packet time that steps back ends nothing", () => {
    const talk = new Conversation().open().send(0, "a");
    const back = talk.packets.map((packet, i) => ({ ...packet, atMicros: BEGIN - i * 1e6 }));
    expect(closeOf(run(back))).toEqual([{ reason: "end-of-input", by: null }]);
  });
});
