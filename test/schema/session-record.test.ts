import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { RECORD_SCHEMAS } from "../../schema/json-schema.ts";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";

const FOLDER = new URL("../../schema/examples/", import.meta.url);
const read = (name: string) => JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"));

describe("examples", () => {
  it.each(readdirSync(FOLDER))("%s fits its schema with no field to spare", (name) => {
    const record = read(name);
    const schema = RECORD_SCHEMAS[record.event.dataset as keyof typeof RECORD_SCHEMAS];
    expect(schema.parse(record)).toEqual(record);
  });
});

describe("a session record is refused", () => {
  const change: [string, (record: SessionRecord) => void, string][] = [
    ["with an action of another type", (r) => (r.event.type = ["info"]), "event.type"],
    ["ended without a close", (r) => (r.mptcp.close = null), "mptcp.close"],
    ["ended without a reason", (r) => delete r.event.reason, "event.reason"],
    [
      "complete with octets missing",
      (r) => (r.mptcp.stream.responder.complete = true),
      "mptcp.stream.responder.complete",
    ],
    [
      "with a verdict that is unverifiable for no reason",
      (r) => Object.assign(r.mptcp.subflows[1]?.join?.hmac ?? {}, { responder: "unverifiable" }),
      "mptcp.subflows.1.join.unverifiable_reason",
    ],
    ["with a mapped address", (r) => (r.source.ip = "::ffff:10.10.1.2"), "source.ip"],
    ["with an IDSN in hexadecimal", (r) => (r.mptcp.idsn.initiator = "0xb5ad"), "mptcp.idsn.initiator"],
    ["with a token of nine digits", (r) => (r.mptcp.token.initiator = "0x123456789"), "mptcp.token.initiator"],
    ["with an id that is no file name", (r) => (r.mptcp.session.id = "../../etc/passwd"), "mptcp.session.id"],
    ["with a local time", (r) => (r["@timestamp"] = "2026-11-22T20:08:14+01:00"), "@timestamp"],
    ["with a count that is not whole", (r) => (r.network.bytes = 1.5), "network.bytes"],
  ];
  it.each(change)("%s", (_name, break_, path) => {
    const record = read("session-ended.json");
    break_(record);
    expect(sessionRecord.safeParse(record).error?.issues.map((issue) => issue.path.join("."))).toEqual([path]);
  });
});

it("a session record may hold fields that are not known yet", () => {
  const record = { ...read("session-ended.json"), later: { added: true } };
  expect(sessionRecord.safeParse(record).success).toBe(true);
});
