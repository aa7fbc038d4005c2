import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  byAddress,
  byCommunityId,
  byPort,
  bySession,
  byToken,
  byVerdict,
  type Filter,
} from "../../collectors/consume/filter.ts";
import { momentOf } from "../../collectors/consume/topic-start.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import type { AnyRecord } from "../../schema/topics.ts";

const NAMES = ["session-opened", "session-ended", "session-orphan", "agent", "finding", "stream"];
const records: AnyRecord[] = NAMES.map((name) =>
  JSON.parse(readFileSync(new URL(`../../schema/examples/${name}.json`, import.meta.url), "utf8")),
);
/** Names of the examples that a filter lets through. */
const wanted = (filter: Filter | null) => NAMES.filter((_, i) => filter?.(records[i] as AnyRecord));
const ended = records[1] as SessionRecord;
const session = (change: (copy: SessionRecord["mptcp"]) => void): SessionRecord => {
  const copy = structuredClone(ended);
  change(copy.mptcp);
  return copy;
};

describe("by address", () => {
  it.each([
    ["10.10.1.2", ["session-opened", "session-ended", "finding"]],
    ["10.10.2.2", ["session-ended", "session-orphan"]], // of a joined subflow
    ["10.20.2.2", ["session-opened", "session-ended"]], // announced
    ["10.0.0.0/8", ["session-opened", "session-ended", "session-orphan", "finding"]],
    ["192.0.2.0/24", ["agent"]],
    ["198.51.100.0/24", []],
    ["0.0.0.0/0", ["session-opened", "session-ended", "session-orphan", "agent", "finding"]],
    ["::/0", []],
  ])("%s", (text, names) => {
    expect(wanted(byAddress(text))).toEqual(names);
  });

  it("behind a NAT, and IPv6 however it is written", () => {
    const nat = session(({ subflows }) => {
      const end = { ip: "2001:db8::7", port: 999 };
      const community_id = "1:AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
      subflows[0]?.agents.splice(0);
      if (subflows[0]) subflows[0].translated = [{ source: end, destination: end, community_id, agents: [] }];
    });
    expect(byAddress("2001:0DB8:0:0::7")?.(nat)).toBe(true);
    expect(byAddress("2001:db8::/120")?.(nat)).toBe(true);
    expect(byAddress("2001:db8::8")?.(nat)).toBe(false);
    expect(byPort("999")?.(nat)).toBe(true);
    expect(byCommunityId("1:AAAAAAAAAAAAAAAAAAAAAAAAAAA=")?.(nat)).toBe(true);
  });

  it.each(["", "10", "10.1.2.3/33", "::/129", "10.0.0.0/8/8", "10.0.0.0/", "10.0.0.0/x", "host", "10.0.0.0/-1"])(
    "%j is none",
    (text) => {
      expect(byAddress(text)).toBe(null);
    },
  );
});

describe("by what else a record names", () => {
  it.each<[string, Filter | null, string[]]>([
    ["port", byPort("41539"), ["session-opened", "session-ended"]],
    ["port of nobody", byPort("1"), []],
    ["session", bySession("629a366a"), ["finding", "stream"]],
    ["session in another case", bySession("629A366A"), ["finding", "stream"]],
    ["Community ID", byCommunityId("1:nZMqD7sLLzFbAPq0SFgKhCFPv+o="), ["session-opened", "session-ended"]],
    ["token", byToken("0xD94A079D"), ["session-opened", "session-ended", "session-orphan"]],
    ["token without 0x", byToken("87d83e52"), ["session-opened", "session-ended"]],
    ["verdict", byVerdict("unverifiable"), ["session-ended", "session-orphan"]],
    ["verdict of idsn", byVerdict("idsn=unverifiable"), ["session-ended"]],
    ["verdict of joins", byVerdict("join=verified"), ["session-ended"]],
    ["verdict of addresses", byVerdict("address=verified"), ["session-ended"]],
    ["failed", byVerdict("failed"), []],
  ])("%s", (_name, filter, names) => {
    expect(wanted(filter)).toEqual(names);
  });

  it.each<[string, (mptcp: SessionRecord["mptcp"]) => void]>([
    ["version", (mptcp) => Object.assign(mptcp.verdicts ?? {}, { version: { verdict: "failed" } })],
    ["key-echo", (mptcp) => Object.assign(mptcp.verdicts ?? {}, { key_echo: { verdict: "failed" } })],
    ["idsn", (mptcp) => Object.assign(mptcp.verdicts?.idsn ?? {}, { initiator: { verdict: "failed" } })],
    ["fastclose", (mptcp) => Object.assign(mptcp.verdicts?.fastclose ?? {}, { responder: { verdict: "failed" } })],
    ["join", (mptcp) => Object.assign(mptcp.subflows[1]?.join?.hmac ?? {}, { initiator: "failed" })],
    ["address", (mptcp) => Object.assign(mptcp.addresses[0] ?? {}, { hmac: { verdict: "failed" } })],
    [
      "checksum",
      (mptcp) => {
        const none = { verified: 0, old_byte_order: 4, unverifiable: 0, failures: [] };
        mptcp.stream.initiator.checksum = { ...none, failed: 1 };
      },
    ],
  ])("%s=failed finds that one, and so does failed", (check, change) => {
    const record = session(change);
    expect(byVerdict(`${check}=failed`)?.(record)).toBe(true);
    expect(byVerdict("failed")?.(record)).toBe(true);
    const others = ["version", "key-echo", "token", "idsn", "fastclose", "join", "address", "checksum"].filter(
      (other) => other !== check,
    );
    for (const other of others) expect([other, byVerdict(`${other}=failed`)?.(record)]).toEqual([other, false]);
    if (check === "checksum") expect(byVerdict("checksum=verified")?.(record)).toBe(true);
  });

  it.each<[string, (text: string) => Filter | null, string[]]>([
    ["port", byPort, ["", "-1", "65536", "http", "1.5"]],
    ["session", bySession, ["", "abc", "a b c d", "x".repeat(65)]],
    ["Community ID", byCommunityId, ["", "1:x", "2:nZMqD7sLLzFbAPq0SFgKhCFPv+o="]],
    ["token", byToken, ["", "0x1", "0x87d83e521", "token"]],
    ["verdict", byVerdict, ["", "good", "join", "join=", "hmac=failed", "=failed"]],
  ])("what is no %s is none", (_name, filterOf, texts) => {
    expect(texts.map((text) => filterOf(text))).toEqual(texts.map(() => null));
  });
});

it.each([
  ["90m", 1_000_000_000_000 - 5_400_000],
  ["2d", 1_000_000_000_000 - 172_800_000],
  ["2001-09-09", Date.UTC(2001, 8, 9)],
  ["2001-09-09T01:46", Date.UTC(2001, 8, 9, 1, 46)],
  ["2001-09-09T01:46:40.5Z", 1_000_000_000_500],
  ["2001-09-09T03:46:40+02:00", 1_000_000_000_000],
  ["2001-13-09", null],
  ["", null],
  ["90", null],
  ["9 Sep 2001", null],
])("the moment %j", (text, at) => {
  expect(momentOf(text, 1_000_000_000_000)).toBe(at);
});
