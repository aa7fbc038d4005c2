import { readFileSync } from "node:fs";
import { type FindingRecord, findingRecord } from "../../schema/finding-record.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { SessionFindings } from "../../src/findings/session-findings.ts";

/** The example's second subflow was opened by the initiator; nothing is wrong with it but what `change` says. */
export function record(change: (record: SessionRecord) => void = () => {}): SessionRecord {
  const file = new URL("../../schema/examples/session-ended.json", import.meta.url);
  const made: SessionRecord = JSON.parse(readFileSync(file, "utf8"));
  delete made.rejoin;
  for (const { join } of made.mptcp.subflows) {
    if (join === null) continue;
    join.hmac = { initiator: "verified", responder: "verified" };
    delete join.unverifiable_reason;
  }
  change(made);
  return made;
}

/** What is found in records, one after the other, of one observation. */
export function found(...records: SessionRecord[]): FindingRecord[] {
  const all: FindingRecord[] = [];
  const findings = new SessionFindings();
  for (const one of records) findings.take(one, (finding) => all.push(findingRecord.parse(finding)));
  return all;
}

/** Three packets of the second subflow, rewritten between two agents. */
export const rewriting = (kind: "payload" | "option-stripped" | "option-added" | "dscp") => ({
  kind,
  subflow: 1,
  side: "responder" as const,
  between: ["router2", "router1"] as [string, string],
  packets: 3,
  first: { at: "2026-11-22T20:08:13Z", ssn: 17, before: null, after: null },
});
