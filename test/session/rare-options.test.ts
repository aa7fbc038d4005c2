import { describe, expect, it } from "vitest";
import { sessionRecord } from "../../schema/session-record.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, option, RST } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";

function recordOf(talk: Conversation) {
  const { records } = run(talk.packets);
  expect(records).toHaveLength(1);
  return sessionRecord.parse(records[0]);
}
const at = (second: string) => expect.stringMatching(new RegExp(`${second}000Z$`));

describe("MP_PRIO (RFC 8684 §3.3.8)", () => {
  it("each side's wishes for each subflow, in time; repetitions count once", () => {
    const talk = new Conversation().open().send(0, "x");
    const on = talk.join({ backup: true });
    for (const backup of [false, false, true]) talk.segment(on, 0, ACK, [option.prio(backup)]);
    talk.segment(on, 1, ACK, [option.prio(true)]);
    const { subflows } = recordOf(talk).mptcp;
    expect(subflows[0]).not.toHaveProperty("priority");
    expect(subflows[1]).toMatchObject({
      backup: true,
      priority: [
        { side: "initiator", backup: false, at: at("7") },
        { side: "initiator", backup: true, at: at("9") },
        { side: "responder", backup: true, at: at("0") },
      ],
    });
  });

  it("in version 0 it may name another subflow by the address id of its sender", () => {
    const talk = new Conversation({ version: 0 }).open().send(0, "x");
    talk.join();
    talk.segment(talk.initial, 0, ACK, [Buffer.from("1e045101", "hex")]);
    talk.segment(talk.initial, 1, ACK, [Buffer.from("1e045100", "hex")]);
    const { subflows } = recordOf(talk).mptcp;
    expect(subflows[1]?.priority).toMatchObject([{ side: "initiator", backup: true }]);
    expect(subflows[0]?.priority).toMatchObject([{ side: "responder", backup: true }]);
  });

  it("one that names an address means each subflow from there, and counts at the bound for each; repetitions count once", () => {
    const talk = new Conversation({ version: 0 }).open().send(0, "x");
    for (let n = 0; n < 20; n++)
      talk.join({ ends: [{ ip: "10.1.9.1", port: 1000 + n }, talk.initial.ends[1]], nonces: [n, n + 100] });
    for (const dump of ["1e045101", "1e045101", "1e045001"])
      talk.segment(talk.initial, 0, ACK, [Buffer.from(dump, "hex")]);
    const { mptcp, rejoin } = recordOf(talk);
    const wishes = mptcp.subflows.map(({ priority }) => priority?.map(({ backup }) => backup));
    expect(wishes).toEqual([undefined, ...Array<unknown>(12).fill([true, false]), ...Array<unknown>(8).fill([true])]);
    expect(rejoin?.shed).toEqual({ options: 8 });
  });

  it("thirty-two are kept, further ones counted", () => {
    const talk = new Conversation().open().send(0, "x");
    for (let n = 0; n < 40; n++) talk.segment(talk.initial, 0, ACK, [option.prio(n % 2 === 0)]);
    const { mptcp, rejoin } = recordOf(talk);
    expect(mptcp.subflows[0]?.priority).toHaveLength(32);
    expect(rejoin?.shed).toEqual({ options: 8 });
  });
});

describe("MP_FAIL (RFC 8684 §3.7)", () => {
  it("who sent it, where, and which octets of the other side it means", () => {
    const talk = new Conversation({ checksum: true }).open().send(0, "hello").send(0, "world").send(1, "x");
    const on = talk.join();
    talk.segment(on, 1, ACK, [option.fail(talk.dsn(0, 5))]).segment(on, 1, ACK, [option.fail(talk.dsn(0, 5))]);
    expect(recordOf(talk).mptcp.mp_fail).toEqual([{ side: "responder", subflow: 1, offset: 5, at: at("9") }]);
  });

  it("null where the place cannot be one", () => {
    const talk = new Conversation({ checksum: true }).open().send(0, "hello");
    talk.segment(talk.initial, 1, ACK, [option.fail(talk.dsn(0, -5))]);
    expect(recordOf(talk).mptcp.mp_fail).toMatchObject([{ offset: null }]);
  });

  it("eight are kept, further ones counted", () => {
    const talk = new Conversation({ checksum: true }).open().send(0, "hello");
    for (let n = 0; n < 10; n++) talk.segment(talk.initial, 1, ACK, [option.fail(talk.dsn(0, n))]);
    const { mptcp, rejoin } = recordOf(talk);
    expect(mptcp.mp_fail).toHaveLength(8);
    expect(rejoin?.shed).toEqual({ options: 2 });
  });
});

describe("MP_TCPRST (RFC 8684 §3.6)", () => {
  it.each([
    [0, "unspecified"],
    [1, "mptcp-specific-error"],
    [2, "lack-of-resources"],
    [3, "administratively-prohibited"],
    [4, "too-much-outstanding-data"],
    [5, "unacceptable-performance"],
    [6, "middlebox-interference"],
    [7, "unknown"],
    [255, "unknown"],
  ] as const)("reason %i is %s", (code, reason) => {
    const talk = new Conversation().open().send(0, "x");
    const on = talk.join();
    talk.segment(on, 1, RST, [option.reset(code)]);
    const { subflows } = recordOf(talk).mptcp;
    expect(subflows[0]?.close).toEqual({ reason: "open" });
    expect(subflows[1]?.close).toEqual({
      reason: "reset",
      mp_tcprst: { side: "responder", reason, code, transient: false },
    });
  });

  it("the first one of a subflow stays", () => {
    const talk = new Conversation().open().send(0, "x");
    const on = talk.join();
    talk.segment(on, 1, RST, [option.reset(2)]).segment(on, 0, RST, [option.reset(3)]);
    expect(recordOf(talk).mptcp.subflows[1]?.close.mp_tcprst).toMatchObject({ side: "responder", code: 2 });
  });

  it("the lowest flag says that the reason may pass", () => {
    const talk = new Conversation().open().send(0, "x");
    talk.segment(talk.initial, 0, RST, [Buffer.from("1e048105", "hex")]);
    expect(recordOf(talk).mptcp.subflows[0]?.close.mp_tcprst).toMatchObject({ side: "initiator", transient: true });
  });
});

describe("options without a meaning", () => {
  it("are counted by subtype; those of impossible lengths together, and those that run past the header", () => {
    const talk = new Conversation().open().send(0, "x");
    for (const dump of ["1e03b0", "1e04b000", "1e06f0001234", "1e055100001e0440011e0440"]) {
      talk.segment(talk.initial, 0, ACK, [Buffer.from(dump, "hex")]);
    }
    expect(recordOf(talk).mptcp.options).toEqual({
      malformed: 2,
      unknown: [
        { subtype: 11, segments: 2 },
        { subtype: 15, segments: 1 },
      ],
    });
  });

  it("a session in order says nothing of the kind", () => {
    const { mptcp } = recordOf(new Conversation().open().send(0, "x").close());
    expect(mptcp).not.toHaveProperty("options");
    expect(mptcp).not.toHaveProperty("mp_fail");
  });
});
