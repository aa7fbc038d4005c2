import { describe, expect, it } from "vitest";
import type { FindingRecord } from "../../schema/finding-record.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { SessionFindings } from "../../src/findings/session-findings.ts";
import { found, record, rewriting } from "./example.ts";

describe("findings of sessions", () => {
  it("tells each once, however many records show it, and again of the next session with the id", () => {
    const change = ({ mptcp }: SessionRecord) => (mptcp.stream.initiator.conflicting = 4);
    const open = record(change);
    open.mptcp.close = null;
    const once = found(open, structuredClone(open), record(change));
    expect(once).toHaveLength(1);
    expect(once[0]?.mptcp.session.revision).toBe(open.mptcp.session.revision);
    expect(found(record(change), record(change)).map(({ event }) => event.id)).toEqual([
      once[0]?.event.id,
      once[0]?.event.id,
    ]);
  });

  it("tells so many of a session and counts the others", () => {
    const findings = new SessionFindings();
    const told: FindingRecord[] = [];
    const many = record(({ mptcp }) => {
      const [, joined] = mptcp.subflows;
      if (joined === undefined) throw new Error("the example has two subflows");
      mptcp.subflows = Array.from({ length: 40 }, (_, id) => ({
        ...joined,
        id,
        start: new Date(Date.parse(joined.start) + id).toISOString(),
        join: { hmac: { initiator: "failed" as const, responder: "verified" as const } },
      }));
    });
    findings.take(many, (finding) => told.push(finding));
    expect(told).toHaveLength(32);
    expect(new Set(told.map(({ event }) => event.id)).size).toBe(32);
    expect(findings.totals()).toEqual({ "join-hmac-failed": 32, "left-out": 8 });
  });

  it("tells so many of all live sessions, and of another once one has ended", () => {
    const findings = new SessionFindings(1);
    const told: string[] = [];
    const failing = (id: string, isOver: boolean) =>
      record(({ mptcp }) => {
        mptcp.session.id = id;
        if (!isOver) mptcp.close = null;
        const [, joined] = mptcp.subflows;
        if (joined?.join) joined.join.hmac = { initiator: "failed", responder: "verified" };
      });
    for (const [id, isOver] of [
      ["a", false],
      ["b", false],
      ["a", true],
      ["c", false],
    ] as const) {
      findings.take(failing(id, isOver), ({ mptcp }) => told.push(mptcp.session.id));
    }
    expect(told).toEqual(["a", "c"]);
    expect(findings.totals()).toEqual({ "join-hmac-failed": 2, "left-out": 1 });
  });

  it("counts what is too much once, however many records show it", () => {
    const findings = new SessionFindings();
    const many = (count: number, isOpen: boolean) =>
      record(({ mptcp }) => {
        const [, joined] = mptcp.subflows;
        if (joined === undefined) throw new Error("the example has two subflows");
        const join = { hmac: { initiator: "failed" as const, responder: "verified" as const } };
        const start = (id: number) => new Date(Date.parse(joined.start) + id).toISOString();
        mptcp.subflows = Array.from({ length: count }, (_, id) => ({ ...joined, id, start: start(id), join }));
        if (isOpen) mptcp.close = null;
      });
    for (const one of [many(34, true), many(34, true), many(35, true), many(35, false)]) findings.take(one, () => {});
    expect(findings.totals()).toEqual({ "join-hmac-failed": 32, "left-out": 3 });
  });

  it("of a subflow keep their ids when the subflow's number changes", () => {
    const failed = ({ mptcp }: SessionRecord) => {
      const [, joined] = mptcp.subflows;
      Object.assign(joined?.join?.hmac ?? {}, { initiator: "failed" });
      mptcp.close = null;
    };
    const before = record(failed);
    before.mptcp.subflows.splice(1, 0, { ...(before.mptcp.subflows[0] as (typeof before.mptcp.subflows)[0]), id: 1 });
    Object.assign(before.mptcp.subflows[2] ?? {}, { id: 2 });
    expect(found(before).map(({ mptcp }) => mptcp.subflow)).toEqual([2]);
    expect(found(before, record(failed))).toHaveLength(1);
  });

  it("of the initial subflow keep their ids when it turns out to have been seen earlier, behind a translator", () => {
    const rewritten = (micros: number) =>
      record(({ mptcp }) => {
        const [initial] = mptcp.subflows;
        if (initial === undefined) throw new Error("the example has two subflows");
        initial.start = new Date(Date.parse(initial.start) - micros / 1000).toISOString();
        mptcp.rewritten = [{ ...rewriting("payload"), subflow: 0 }];
        mptcp.close = null;
      });
    expect(found(rewritten(0), rewritten(2000)).map(({ mptcp }) => mptcp.subflow)).toEqual([0]);
  });
});
