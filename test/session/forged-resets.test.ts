import { describe, expect, it } from "vitest";
import { Conversation, type Subflow } from "../support/conversation.ts";
import { ACK, option, PSH, RST, SYN } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";
import { bare, forge, later } from "./forgery.ts";

/** A SYN with another ISN on the initial subflow's 4-tuple. */
function forgeSyn(talk: Conversation): void {
  const forged = { ...talk.initial, isn: [424_242, 0] as const, next: [1, 1] as [number, number] };
  talk.segment(forged, 0, SYN, [option.capable(1)]);
}

describe("a RST that somebody made up", () => {
  const begin = (): Conversation => new Conversation().open().send(0, "hello").send(1, "welcome");
  const end = (talk: Conversation): Conversation => talk.send(1, "and on").send(0, "again").close();
  /** Somebody else's packets, one in 100 ms, while the session is quiet. */
  const quiet = (talk: Conversation, seconds: number): void => {
    const step = Math.max(seconds / 200, 0.1);
    for (let passed = 0; passed < seconds; passed += step) talk.packets.push(...later(talk, step).slice(0, 1));
  };
  const ends = (talk: Conversation): unknown[][] =>
    run(talk.packets, {}, 1).records.map(({ mptcp: { close, subflows, stream } }) => [
      ...[close?.reason, subflows[0]?.close.reason, stream.initiator.octets, stream.responder.octets],
      subflows[0]?.implausible_segments ?? 0,
    ]);

  it.each([-10_000_000, 5000, -5000, 10_000_000])("%i octets away gives no SYN the 4-tuple", (away) => {
    for (const side of [0, 1] as const) {
      const talk = begin();
      forge(talk, side, RST, away);
      forgeSyn(talk);
      // The RST and the SYN.
      expect(ends(end(talk))).toEqual([["fin", "fin", 10, 13, 2]]);
    }
  });

  it("gives it no SYN, either, where RSTs come all over the numbers", () => {
    const talk = begin();
    for (let n = 0; n < 256; n++) forge(talk, 1, RST, n * 2 ** 24 + 777);
    forgeSyn(talk);
    expect(ends(end(talk))).toEqual([["fin", "fin", 10, 13, 257]]);
  });

  it("is a SYN's that is answered: that is another connection", () => {
    const talk = begin();
    forge(talk, 1, RST, -5000);
    const next = new Conversation({ isn: [9_000_000, 9_500_000], atMicros: talk.atMicros }).open().send(0, "second");
    talk.packets.push(...next.close().packets);
    expect(ends(talk)).toEqual([
      ["replaced", "replaced", 5, 7, 1],
      ["fin", "fin", 6, 0, 0],
    ]);
  });

  it.each([90, 25 * 60])("ends no session that says nothing for %i seconds, and then goes on", (seconds) => {
    for (const away of [-10_000_000, 5000, -5000]) {
      const talk = begin();
      forge(talk, 1, RST, away);
      quiet(talk, seconds);
      expect(ends(end(talk))).toEqual([["fin", "fin", 10, 13, 1]]);
    }
  });

  it("behind octets that somebody made up, which move where the peer seems to expect it, ends none either", () => {
    const talk = begin();
    for (let n = 0; n < 300; n++) forge(talk, 1, ACK | PSH, 2 ** 31 - 1000, "x");
    forge(talk, 1, RST, 2 ** 31 - 999);
    forgeSyn(talk);
    quiet(talk, 90);
    for (let n = 0; n < 300; n++) talk.send(1, "and on");
    const [record] = run(talk.close().packets, {}, 1).records;
    expect(record?.mptcp.close?.reason).toBe("fin");
    expect(record?.mptcp.subflows).toHaveLength(1);
  });

  /** The responder says nothing but that it got what comes. */
  const listen = (talk: Conversation): void => {
    for (let n = 0; n < 5; n++) {
      const ack = Number(talk.send(0, "go").dsn(0, talk.offset[0]) & 0xffffffffn);
      talk.segment(talk.initial, 1, ACK, [option.dss({ ack })]);
    }
  };

  it("where octets that somebody made up have moved the numbers holds only until its side says more", () => {
    const octets = (talk: Conversation): void => {
      // Nobody acknowledges what is so far away.
      const { ends, opener, isn, next } = talk.initial;
      const on: Subflow = { ends, opener, isn: [isn[0] + 2 ** 30, isn[1]], next: [...next] };
      talk.segment(on, 1, ACK | PSH, [], Buffer.from("x"), next[1] + 5000);
    };
    const reset = (talk: Conversation): void => void forge(talk, 1, RST, 5001);
    for (const forgeries of [
      [octets, reset],
      [reset, octets],
    ]) {
      const talk = begin();
      for (const one of forgeries) one(talk);
      listen(talk);
      expect(ends(talk)).toEqual([["end-of-input", "open", 15, 7, 2]]);
      expect(ends(talk.close())).toEqual([["fin", "fin", 15, 7, 2]]);
    }
  });

  it("of a side whose numbers are not known likewise", () => {
    const talk = new Conversation();
    listen(talk);
    talk.segment({ ...bare(talk.initial.ends), isn: [0, 0], next: [0, 0] }, 1, RST);
    listen(talk);
    expect(ends(talk).map(([, reason, , , implausible]) => [reason, implausible])).toEqual([["open", 1]]);
  });
});

describe("a RST that its host made", () => {
  const begin = (): Conversation => new Conversation().open().send(0, "hello").send(1, "welcome");
  const closes = (talk: Conversation, seconds: number): unknown => {
    const steps = Array.from({ length: 400 }, () => later(talk, seconds / 400).slice(0, 1)).flat();
    const { records } = run([...talk.packets, ...steps], {}, 1);
    const [record] = records;
    const after = Date.parse(record?.["@timestamp"] ?? "") - Date.parse(record?.event.end ?? "");
    return [record?.mptcp.close, record?.mptcp.subflows[0]?.implausible_segments ?? 0, Math.round(after / 60_000)];
  };
  const RESET = { reason: "reset", by: "responder" };

  it.each<[name: string, reset: (talk: Conversation) => void]>([
    ["exactly where its peer expects it", (talk) => forge(talk, 1, RST, 0)],
    ["behind a FIN that was not seen", (talk) => forge(talk, 1, RST, 1)],
    ["behind octets that were not seen, acknowledging all", (talk) => forge(talk, 1, RST | ACK, 90_000)],
    [
      "once in answer to what crossed its octets, then where its peer expects it",
      (talk) => {
        forge(talk, 1, RST, -7);
        forge(talk, 1, RST, 0);
      },
    ],
  ])("%s ends the session after a minute of quiet", (_, reset) => {
    const talk = begin();
    reset(talk);
    expect(closes(talk, 200)).toEqual([RESET, 0, 1]);
  });

  it("elsewhere, and nothing behind it, ends it once it is idle", () => {
    const talk = begin();
    forge(talk, 1, RST, 90_000);
    expect(closes(talk, 2400)).toEqual([RESET, 0, 30]);
    const early = begin();
    forge(early, 1, RST, -90_000);
    expect(run(early.packets).records[0]?.mptcp.close).toEqual(RESET);
  });

  it.each([0, 1] as const)("elsewhere, before another of the other host, is what ended it (side %i)", (first) => {
    const talk = begin();
    for (const side of first === 0 ? ([0, 1] as const) : ([1, 0] as const)) forge(talk, side, RST, 90_000);
    expect(run(talk.packets).records[0]?.mptcp.close?.by).toBe(first === 0 ? "initiator" : "responder");
  });

  it("that overtook its last octets ends it, too", () => {
    const talk = begin();
    forge(talk, 1, RST, 6);
    expect(closes(talk.send(1, "really"), 2400)).toEqual([RESET, 0, 30]);
  });

  it.each([
    [0, 1],
    [-3, 30],
  ])("that overtook its last octets is none of somebody else when another comes %i octets away", (away, minutes) => {
    const talk = begin();
    forge(talk, 1, RST, 6);
    talk.send(1, "really");
    forge(talk, 1, RST, away);
    expect(closes(talk, minutes * 80)).toEqual([RESET, 0, minutes]);
  });
});
