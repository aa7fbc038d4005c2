import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { agentHeader, agentRow } from "../../collectors/terminal/agent-table.ts";
import { sessionTable } from "../../collectors/terminal/session-table.ts";
import { COLOURS, PLAIN, type Style } from "../../collectors/terminal/style.ts";
import { printable } from "../../collectors/terminal/text.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { anySessionRecord } from "../schema/arbitrary-record.ts";

const example = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../schema/examples/${name}.json`, import.meta.url), "utf8"));

function table(width: number | null, ...records: SessionRecord[]): string {
  const { header, row } = sessionTable(width, PLAIN, { revisions: false });
  return ["", header, ...records.map(row), ""].join("\n");
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
  ! bound-met: bounds kept out of the record: 4 ranges
11-22 20:08:12 q3mZ0aX9 2001:db8:101::2 → [2001:db8:201::2]:5001      1     2 3.15 MB 3.14 MB holes  1/1 ok fin
`);
});

test("at 80 columns", () => {
  expect(table(80, example("session-ended"), example("session-orphan"), ipv6)).toBe(`
SESSION  INITIATOR → RESPONDER       SUB    SENT  ANSWER WHOLE  JOINS  END
q3mZ0aX9 10.10.1.2 → 10.20.1.2:5001    2 3.15 MB 3.14 MB holes  1/1 ok fin
orphan_Y 10.10.2.2 → 10.20.1.2:5001    1 1.57 MB 1.44 MB no end 0/1 ?  end-of-i…
  ! bound-met: bounds kept out of the record: 4 ranges
q3mZ0aX9 2001:db8:10… → [2001:db8:2…   2 3.15 MB 3.14 MB holes  1/1 ok fin
`);
});

test("without a terminal nothing is cut", () => {
  expect(table(null, example("session-ended"), ipv6)).toBe(`
START UTC      SESSION  INITIATOR → RESPONDER                                 V   SUB    SENT  ANSWER WHOLE  JOINS  END
11-22 20:08:12 q3mZ0aX9 10.10.1.2:41539 → 10.20.1.2:5001                      1     2 3.15 MB 3.14 MB holes  1/1 ok fin
11-22 20:08:12 q3mZ0aX9 [2001:db8:101::2]:41539 → [2001:db8:201::2]:5001      1     2 3.15 MB 3.14 MB holes  1/1 ok fin
`);
  const longest = changed(({ source, destination }) => {
    source.ip = destination.ip = "2001:db8:1111:2222:3333:4444:5555:6666";
    destination.port = 65_535;
  });
  expect(table(null, longest)).toContain(
    " [2001:db8:1111:2222:3333:4444:5555:6666]:41539 → [2001:db8:1111:2222:3333:4444:5555:6666]:65535 1 ",
  );
});

test("other addresses beyond a NAT stand below the row, of three subflows", () => {
  const translated = changed(({ mptcp }) => {
    const [subflow] = mptcp.subflows;
    if (subflow === undefined) throw new Error("no subflow");
    const { source, destination, community_id, agents } = subflow;
    const at = (from: object, to: object) => ({
      ...{ source: { ip: source.ip, port: source.port, ...from }, destination: { ...destination, ...to } },
      ...{ community_id, agents },
    });
    const other = at({ ip: "192.0.2.1", port: 17_160 }, {});
    mptcp.subflows = [
      { ...subflow, translated: [other, at({}, { ip: "198.51.100.7" })] },
      { ...subflow, id: 1 },
      ...[2, 3, 4].map((id) => ({ ...subflow, id, translated: [other] })),
    ];
  });
  expect(
    table(null, translated)
      .split("\n")
      .filter((line) => line.startsWith("  - NAT")),
  ).toEqual([
    "  - NAT: subflow 0 also seen from 192.0.2.1:17160 and to 198.51.100.7:5001, subflow 2 also seen from 192.0.2.1:17160, " +
      "subflow 3 also seen from 192.0.2.1:17160, and 1 more",
  ]);
  expect(table(80, translated)).toContain(
    "\n  - NAT: subflow 0 also seen from 192.0.2.1:17160 and to 198.51.100.7:5001, sub…\n",
  );
});

test("records of one session are told apart, in a column of their own or by their end", () => {
  const updated = example("session-opened");
  updated.event.action = "session-updated";
  const shown = (width: number) => {
    const { header, row } = sessionTable(width, PLAIN, { revisions: true });
    const rows = [example("session-opened"), updated, example("session-ended")].map(row);
    return ["", header, ...rows, ""].join("\n");
  };
  expect(shown(120)).toBe(`
START UTC      SESSION  RECORD  INITIATOR → RESPONDER                 V   SUB    SENT  ANSWER WHOLE  JOINS  END
11-22 20:08:12 q3mZ0aX9 opened  10.10.1.2:41539 → 10.20.1.2:5001      1     1     0 B     0 B no end -      open
11-22 20:08:12 q3mZ0aX9 updated 10.10.1.2:41539 → 10.20.1.2:5001      1     1     0 B     0 B no end -      open
11-22 20:08:12 q3mZ0aX9 ended   10.10.1.2:41539 → 10.20.1.2:5001      1     2 3.15 MB 3.14 MB holes  1/1 ok fin
`);
  expect(shown(80)).toBe(`
SESSION  INITIATOR → RESPONDER       SUB    SENT  ANSWER WHOLE  JOINS  END
q3mZ0aX9 10.10.1.2 → 10.20.1.2:5001    1     0 B     0 B no end -      opened
q3mZ0aX9 10.10.1.2 → 10.20.1.2:5001    1     0 B     0 B no end -      updated
q3mZ0aX9 10.10.1.2 → 10.20.1.2:5001    2 3.15 MB 3.14 MB holes  1/1 ok fin
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
    expect(sessionTable(120, TONES, { revisions: false }).row(record)).toContain(text);
  });
});

test("whatever a record holds, its row fits and a terminal obeys nothing in it", () => {
  fc.assert(
    fc.property(anySessionRecord, fc.integer({ min: 80, max: 200 }), fc.boolean(), (record, width, revisions) => {
      const row = sessionTable(width, PLAIN, { revisions }).row(record);
      const lines = row.split("\n");
      expect(lines.length).toBeLessThanOrEqual(12);
      for (const line of lines) {
        expect([...line].length).toBeLessThanOrEqual(width);
        expect(printable(line)).toBe(line);
      }
    }),
  );
});

test("an agent's counts", () => {
  expect(`\n${agentHeader(PLAIN)}\n${agentRow(example("agent"), PLAIN, null)}\n`).toBe(`
UNTIL UTC      AGENT                     PACKETS    OCTETS     LOST  UNHEARD     LATE     TWICE  RESTARTS KERNEL LOST
11-22 20:09:00 router1                   182,734    241 MB        3        0        1         0         0           -
`);
  const reporting = example("agent");
  Object.assign(reporting.rejoin.agent, { reported: { kernel_lost: 1267 } });
  expect(agentRow(reporting, PLAIN, null)).toMatch(/ 0 {7}1,267$/);
  expect(agentRow(example("agent"), COLOURS, 120)).toContain("\u001b[33m");
  const named = example("agent");
  named.agent.name = "router1.the-first-floor.example.net";
  expect(agentRow(named, PLAIN, null)).toContain(" router1.the-first-floor.example.net ");
  expect(agentRow(named, PLAIN, 120)).toContain(" router1.the-first-f… ");
});

test("what was found stands under the session, the most severe first", () => {
  const record = changed(({ mptcp }) => {
    const { verdicts, stream, subflows, addresses } = mptcp;
    if (verdicts === undefined) throw new Error("the example has verdicts");
    verdicts.version = verdicts.key_echo = { verdict: "failed" };
    verdicts.idsn.responder = verdicts.idsn.initiator = verdicts.fastclose.responder = { verdict: "failed" };
    Object.assign(stream.initiator, { checksum: { verified: 3, failed: 2, old_byte_order: 0, unverifiable: 0 } });
    Object.assign(subflows[1]?.join?.hmac ?? {}, { initiator: "failed" });
    Object.assign(addresses[0] ?? {}, { hmac: { verdict: "failed" } });
    mptcp.fallback = { cause: "checksum", at: "2026-11-22T20:08:13Z", subflow: 0 };
  });
  const { row } = sessionTable(null, PLAIN, { revisions: false });
  const [, first, ...lines] = row(record).split("\n");
  expect(first).toBe(
    "  ! join-hmac-failed: the initiator's HMAC in the join of subflow 1 is wrong: it knew the token and not the keys",
  );
  expect(lines.map((line) => /! ([^:]+)/.exec(line)?.[1])).toEqual([
    "address-hmac-failed",
    "fastclose-key-wrong",
    ...new Array(4).fill("handshake-contradicted"),
    "checksum-failed",
    "and 1 finding more",
  ]);
});
