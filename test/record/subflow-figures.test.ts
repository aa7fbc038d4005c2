import { describe, expect, it } from "vitest";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { Conversation } from "../support/conversation.ts";
import { type Run, run } from "../support/pipeline-run.ts";

const only = ({ records }: Run): SessionRecord => {
  expect(records).toHaveLength(1);
  return sessionRecord.parse(records[0]);
};

describe("reinjections", () => {
  it("count on the subflow that brought the octets again, and retransmissions do not", () => {
    const talk = new Conversation().open();
    const second = talk.join();
    talk.send(0, "x".repeat(30)).send(0, "x".repeat(20), { on: second, at: 0 });
    talk.send(0, "x".repeat(30), { at: 0, ssn: 1 });
    const { subflows } = only(run(talk.packets)).mptcp;
    expect(subflows.map(({ data }) => [data?.initiator.reinjected_octets, data?.initiator.retransmissions])).toEqual([
      [0, 1],
      [20, 0],
    ]);
  });
});

describe("the share of each subflow", () => {
  it("of the octets that a side sent over all of them", () => {
    const talk = new Conversation().open();
    const second = talk.join();
    talk.send(0, "x".repeat(30)).send(0, "y".repeat(10), { on: second });
    const { subflows } = only(run(talk.packets)).mptcp;
    expect(subflows.map(({ data }) => [data?.initiator.octets, data?.initiator.share, data?.responder.share])).toEqual([
      [30, 0.75, null],
      [10, 0.25, null],
    ]);
  });
});
