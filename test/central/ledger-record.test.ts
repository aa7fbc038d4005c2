import { expect, test } from "vitest";
import { LedgerRecords } from "../../collectors/central/ledger-record.ts";
import { agentRecord } from "../../schema/agent-record.ts";
import type { AgentLedger } from "../../src/pipeline.ts";

const ledger = (counts: Partial<AgentLedger>): AgentLedger => ({
  name: "router1",
  address: "192.0.2.1",
  key: 7,
  encapsulation: "gre",
  packets: 0,
  octets: 0,
  lost: 0,
  late: 0,
  duplicate: 0,
  restarted: 0,
  unheard: 0,
  refused: 0,
  reports: 0,
  reported: null,
  firstMicros: 0,
  lastMicros: 0,
  ...counts,
});

test("records are of intervals: they add up to the ledger, also when a late packet takes a loss back", () => {
  const records = new LedgerRecords({ name: "collector", version: "1" }, 1000);
  const lost = [5, 3, 3, 9].map((count, i) => {
    const [record] = records.next([ledger({ packets: 10 * (i + 1), lost: count })], 2000 + i * 1000);
    return agentRecord.parse(record).rejoin.agent;
  });
  expect(lost.map((counts) => counts.packets)).toEqual([10, 10, 10, 10]);
  expect(lost.map((counts) => counts.lost)).toEqual([5, 0, 0, 4]);
});

test("intervals follow each other without a gap", () => {
  const records = new LedgerRecords({ name: "collector", version: "1" }, 1000);
  const [first] = records.next([ledger({})], 61_000);
  const [second] = records.next([ledger({})], 121_000);
  expect(first?.event).toMatchObject({ start: "1970-01-01T00:00:01.000Z", duration: 60_000_000_000 });
  expect(second?.event.start).toBe(first?.event.end);
  expect(second?.event.id).not.toBe(first?.event.id);
});

test("senders that share a name are counted apart; sources that copy themselves have no ledger", () => {
  const records = new LedgerRecords({ name: "collector", version: "1" }, 0);
  const ledgers = [
    ledger({ packets: 1 }),
    ledger({ packets: 2, key: null }),
    ledger({ packets: 4, address: "2001:db8::1" }),
    ledger({ packets: 8, address: null }),
  ];
  records.next(ledgers, 1);
  const next = records.next(
    ledgers.map((one) => ({ ...one, packets: one.packets * 2 })),
    2,
  );
  expect(next.map((record) => record.rejoin.agent.packets)).toEqual([1, 2, 4]);
});

test("what the agent says of itself stands beside what came, as it says it", () => {
  const records = new LedgerRecords({ name: "collector", version: "1" }, 0);
  const report = { numbered: 900, number: 899, seen: 5000, selected: 898, sent: 890, failed: 3, dropped: 7, cut: 2 };
  const reported = { ...report, startedMicros: 1e15, kernelLost: 11, isLast: true, atMicros: 1e15 + 6e7 };
  const next = [100, 101].map((unheard) => {
    const [record] = records.next([ledger({ packets: 799, reports: 2, unheard, refused: 4, reported })], 60_000);
    return agentRecord.parse(record).rejoin.agent;
  });
  expect(next.map(({ unheard }) => unheard)).toEqual([100, 1]);
  expect(next[0]).toMatchObject({ refused: 4, reports: 2, encapsulation: "gre" });
  for (const { reported } of next) {
    expect(reported).toEqual({
      at: "2001-09-09T01:47:40.000000Z",
      started: "2001-09-09T01:46:40.000000Z",
      ended: true,
      ...{ numbered: 900, seen: 5000, selected: 898, sent: 890, failed: 3, dropped: 7, cut: 2, kernel_lost: 11 },
    });
  }
});
