import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { Cursor } from "./cursor.ts";

/**
 * GRE protocol type of an agent's report of its own counts: IEEE Std 802's second Local Experimental EtherType, which no
 * protocol will ever be assigned (RFC 9542 §2.1, appendix B.2). Whoever else uses it has other octets behind it.
 */
export const GRE_AGENT_REPORT = 0x88b6;

/**
 * A report behind its GRE header, which has a sequence number. All numbers are big-endian; those of 8 octets stay below
 * 2^53. What stands behind the fields listed here is of a later version, and not read.
 *
 *     octets 0..4   "rjn" and 1, the version
 *     octet  4      flags: 0x80 the last of its agent's run
 *     octets 5..8   reserved, 0
 *     then each of REPORT_FIELDS, 8 octets
 */
export const REPORT_MAGIC = 0x726a6e01;
/** Of the octet of flags. */
export const REPORT_LAST = 0x80;
/** Where the flags stand, and the first of REPORT_FIELDS. */
export const REPORT_FLAGS_AT = 4;
export const REPORT_FIELDS_AT = 8;

/** The numbers of a report in their order; all count since the start of its run, but for those of what the agent read. */
export const REPORT_FIELDS = [
  "startedMicros",
  "number",
  "numbered",
  "seen",
  "selected",
  "sent",
  "failed",
  "dropped",
  "cut",
  "kernelLost",
] as const;

/** Octets of a report behind its GRE header. */
export const REPORT_OCTETS = REPORT_FIELDS_AT + REPORT_FIELDS.length * 8;

/** What an agent says of itself. */
export interface AgentReport {
  /**
   * When it began to number this stream, microseconds since 1970 by its clock: the name of this run. Each numbering has its
   * own.
   */
  startedMicros: number;
  /** The number of this packet in its stream, from 0, of which the GRE sequence number is the low half. */
  number: number;
  /** Numbers given, to copies and to reports, this one and others that are sent with it included. */
  numbered: number;
  /** Packets that the agent read since its own start, and those of MPTCP flows among them. */
  seen: number;
  selected: number;
  /** Packets that its kernel took (copies and reports), refused, and that its own queue had no room for. */
  sent: number;
  failed: number;
  dropped: number;
  /** Copies that were cut. */
  cut: number;
  /** Packets that its kernel dropped since its own start, before the agent saw them. */
  kernelLost: number;
  /** Nothing comes of this run any more. */
  isLast: boolean;
}

/** A report that says nothing, to be read into. */
export const emptyReport = (): AgentReport => ({
  startedMicros: 0,
  number: 0,
  numbered: 0,
  seen: 0,
  selected: 0,
  sent: 0,
  failed: 0,
  dropped: 0,
  cut: 0,
  kernelLost: 0,
  isLast: false,
});

const MALFORMED = fateOf("decapsulate/agent-report-malformed");
/** Above this a number is no longer exact. */
const MAX_HIGH = 2 ** 21;

/**
 * Reads the report at the cursor into `report`; `sequence` is the sequence number of its GRE header. What does not begin as a
 * report, is cut, or contradicts itself is malformed, and `report` is then not to be read.
 */
export function readAgentReport(view: DataView, cursor: Cursor, sequence: number, report: AgentReport): number {
  const { at, end } = cursor;
  if (at + REPORT_OCTETS > end || view.getUint32(at) !== REPORT_MAGIC) return MALFORMED;
  report.isLast = (view.getUint8(at + REPORT_FLAGS_AT) & REPORT_LAST) !== 0;
  for (const [i, field] of REPORT_FIELDS.entries()) {
    const high = view.getUint32(at + REPORT_FIELDS_AT + i * 8);
    if (high >= MAX_HIGH) return MALFORMED;
    report[field] = high * 2 ** 32 + view.getUint32(at + REPORT_FIELDS_AT + i * 8 + 4);
  }
  const isPlausible = report.number % 2 ** 32 === sequence && report.numbered > report.number;
  return isPlausible ? FATE_ALIVE : MALFORMED;
}
