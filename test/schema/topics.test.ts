import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { formatOf, headersOf, keyOf, topicOf } from "../../schema/topics.ts";

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../schema/examples/${name}`, import.meta.url), "utf8"));
const session = read("session-ended.json");
const agent = read("agent.json");

it("a session goes to its topic under its id", () => {
  expect(topicOf(session)).toBe("rejoin.sessions.v1");
  expect(keyOf(session)).toBe("q3mZ0aX9cT1kVb7e");
  expect(headersOf(session, "msgpack")).toEqual({
    "content-type": "application/vnd.msgpack",
    ce_specversion: "1.0",
    ce_id: "q3mZ0aX9cT1kVb7e-3",
    ce_source: "/rejoin/core1",
    ce_type: "rejoin.session.v1",
    ce_time: "2026-11-22T20:08:14.881123Z",
    ce_dataschema: "urn:rejoin:schema:session-record:1",
  });
});

it("an agent's counts go to their topic under its name", () => {
  expect(topicOf(agent)).toBe("rejoin.agents.v1");
  expect(keyOf(agent)).toBe("router1");
  expect(headersOf(agent, "json")).toMatchObject({ "content-type": "application/json", ce_type: "rejoin.agent.v1" });
});

it("a finding goes to its topic under its session's id", () => {
  const finding = read("finding.json");
  expect(topicOf(finding)).toBe("rejoin.findings.v1");
  expect(keyOf(finding)).toBe("629a366abee5cc0097b3c83d");
  expect(headersOf(finding, "json")).toMatchObject({ ce_type: "rejoin.finding.v1", ce_id: finding.event.id });
});

it.each(["session-opened", "session-ended", "session-orphan", "agent", "finding", "stream"])(
  "%s: its headers are those of a CloudEvent in binary mode",
  (name) => {
    const record = read(`${name}.json`);
    const { "content-type": contentType = "", ...attributes } = headersOf(record, "msgpack");
    expect(formatOf(contentType)).toBe("msgpack");
    // CloudEvents 1.0 §2.1 and its Kafka binding §3.2.
    for (const [header, value] of Object.entries(attributes)) {
      expect(header).toMatch(/^ce_[a-z0-9]{1,20}$/);
      expect(value).toMatch(/^[^\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]+$/u);
    }
    expect(attributes).toMatchObject({ ce_specversion: "1.0", ce_id: record.event.id, ce_time: record["@timestamp"] });
    expect(new URL(attributes.ce_source ?? "", "http://any/").href).toBe(`http://any${attributes.ce_source}`);
    expect(new URL(attributes.ce_dataschema ?? "").protocol).toBe("urn:");
    expect(attributes.ce_type).toBe(`${record.event.dataset}.v1`);
    expect(topicOf(record).endsWith(".v1")).toBe(true);
  },
);

it("a source stays a URI reference whatever the observer is called", () => {
  const observer = { ...session.observer, name: "rack 7/käse" };
  expect(headersOf({ ...session, observer }, "json").ce_source).toBe("/rejoin/rack%207%2Fk%C3%A4se");
});

it.each([
  ["application/vnd.msgpack", "msgpack"],
  ["application/x-msgpack", "msgpack"],
  ["Application/JSON; charset=utf-8", "json"],
  ["application/cloudevents+json", "json"],
  ["text/plain", null],
  ["", null],
])("content type %s", (type, format) => {
  expect(formatOf(type)).toBe(format);
});
