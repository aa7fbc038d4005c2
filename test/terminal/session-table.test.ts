import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { agentHeader, agentRow } from "../../collectors/terminal/agent-table.ts";
import { sessionHeader, sessionRow } from "../../collectors/terminal/session-table.ts";
import { COLOURS, PLAIN, type Style } from "../../collectors/terminal/style.ts";
import { printable } from "../../collectors/terminal/text.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { anySessionRecord } from "../schema/arbitrary-record.ts";

const example = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../schema/examples/${name}.json`, import.meta.url), "utf8"));

function table(width: number, ...records: SessionRecord[]): string {
  return ["", sessionHeader(width, PLAIN), ...records.map((record) => sessionRow(record, width, PLAIN)), ""].join("\n");
}

function changed(change: (record: SessionRecord) => void): SessionRecord {
  const record = example("session-ended");
  change(record);
  return record;
}

const ipv6 = changed(({ source, destination }) => {
  source.ip = "2001:db8:101::2";
  destination.ip = "2001:db8:201::2";
});

test("at 120 columns", () => {
  expect(table(120, example("session-opened"), example("session-ended"), example("session-orphan"), ipv6)).toBe(`
START UTC      SESSION  INITIATOR → RESPONDER                         V   SUB    SENT  ANSWER WHOLE  JOINS  END
11-22 20:08:12 q3mZ0aX9 10.10.1.2:41539 → 10.20.1.2:5001              1     1     0 B     0 B no end -      open
11-22 20:08:12 q3mZ0aX9 10.10.1.2:41539 → 10.20.1.2:5001              1     2 3.15 MB 3.14 MB holes  1/1 ok fin
11-22 20:08:12 orphan_Y 10.10.2.2:52443 → 10.20.1.2:5001              1     1 1.57 MB 1.44 MB no end 0/1 ?  end-of-input
11-22 20:08:12 q3mZ0aX9 2001:db8:101::2 → [2001:db8:201::2]:5001      1     2 3.15 MB 3.14 MB holes  1/1 ok fin
`);
});

test("at 80 columns", () => {
  expect(table(80, example("session-ended"), example("session-orphan"), ipv6)).toBe(`
SESSION  INITIATOR → RESPONDER       SUB    SENT  ANSWER WHOLE  JOINS  END
q3mZ0aX9 10.10.1.2 → 10.20.1.2:5001    2 3.15 MB 3.14 MB holes  1/1 ok fin
orphan_Y 10.10.2.2 → 10.20.1.2:5001    1 1.57 MB 1.44 MB no end 0/1 ?  end-of-i…
q3mZ0aX9 2001:db8:10… → [2001:db8:2…   2 3.15 MB 3.14 MB holes  1/1 ok fin
`);
});

describe("a cell's colour says what it means", () => {
  const TONES: Style = {
    good: (text) => `good(${text.trim()})`,
    bad: (text) => `bad(${text.trim()})`,
    doubt: (text) => `doubt(${text.trim()})`,
    strong: (text) => text,
    quiet: (text) => text,
  };
  it.each([
    [
      "a join that failed",
      changed((r) => Object.assign(r.mptcp.subflows[1]?.join?.hmac ?? {}, { initiator: "failed" })),
      "bad(1 bad)",
    ],
    ["a join that could not be verified", example("session-orphan"), "doubt(0/1 ?)"],
    ["a verified join", example("session-ended"), "good(1/1 ok)"],
    ["holes", example("session-ended"), "doubt(holes)"],
    [
      "a fallback",
      changed((r) => (r.mptcp.fallback = { cause: "checksum", at: "2026-11-22T20:08:14Z", subflow: 0 })),
      "doubt(tcp)",
    ],
    ["a reset", changed((r) => (r.mptcp.close = { reason: "reset", by: "responder" })), "doubt(reset)"],
  ])("%s", (_name, record, text) => {
    expect(sessionRow(record, 120, TONES)).toContain(text);
  });
});

test("whatever a record holds, its row fits and a terminal obeys nothing in it", () => {
  fc.assert(
    fc.property(anySessionRecord, fc.integer({ min: 80, max: 200 }), (record, width) => {
      const row = sessionRow(record, width, PLAIN);
      expect([...row].length).toBeLessThanOrEqual(width);
      expect(printable(row)).toBe(row);
    }),
  );
});

test("an agent's counts", () => {
  expect(`\n${agentHeader(PLAIN)}\n${agentRow(example("agent"), PLAIN)}\n`).toBe(`
UNTIL UTC      AGENT                     PACKETS    OCTETS     LOST     LATE     TWICE  RESTARTS
11-22 20:09:00 router1                   182,734    241 MB        3        1         0         0
`);
  expect(agentRow(example("agent"), COLOURS)).toContain("\u001b[33m");
});
