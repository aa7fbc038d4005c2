import {
  type AgentReport,
  REPORT_FIELDS,
  REPORT_FIELDS_AT,
  REPORT_FLAGS_AT,
  REPORT_LAST,
  REPORT_MAGIC,
  REPORT_OCTETS,
} from "../wire/agent-report.ts";

/** Writes a report into `target` from octet `at`, where it has room for REPORT_OCTETS; returns the octet behind it. */
export function encodeAgentReport(target: Uint8Array, at: number, report: AgentReport): number {
  const view = new DataView(target.buffer, target.byteOffset + at, REPORT_OCTETS);
  view.setUint32(0, REPORT_MAGIC);
  view.setUint32(REPORT_FLAGS_AT, 0);
  view.setUint8(REPORT_FLAGS_AT, report.isLast ? REPORT_LAST : 0);
  for (const [i, field] of REPORT_FIELDS.entries()) {
    view.setBigUint64(REPORT_FIELDS_AT + i * 8, BigInt(Math.trunc(report[field])));
  }
  return at + REPORT_OCTETS;
}
