import type { FindingRecord } from "../../schema/finding-record.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { SESSION_DATASET } from "../../schema/session-vocabulary.ts";
import type { Totals } from "../../src/pipeline.ts";
import { sessionTable } from "../terminal/session-table.ts";
import type { Style } from "../terminal/style.ts";
import { renderFooter, renderSummary } from "./summary.ts";

/** What a reading says on standard output: each record as it is made, and the totals at the end. */
export interface Report {
  /** Null where totals are all that is said. */
  readonly record: ((record: object) => void) | null;
  /** Findings of the record that came last. */
  finding(finding: FindingRecord): void;
  end(totals: Totals): void;
}

/** One record per line, nothing else. */
export function jsonReport(write: (text: string) => void): Report {
  const line = (record: object) => write(`${JSON.stringify(record)}\n`);
  return {
    record: line,
    finding: line,
    end: () => {},
  };
}

/**
 * A row for each session as it ends, with its findings under it, and a line that counts; `width` columns wide, null for
 * uncut.
 */
export function tableReport(
  write: (text: string) => void,
  width: number | null,
  style: Style,
  partial: boolean,
): Report {
  const table = sessionTable(width, style, { revisions: false });
  let rows = 0;
  return {
    record(record) {
      if (!isSession(record)) return;
      if (rows === 0) write(`${table.header}\n`);
      rows += 1;
      write(`${table.row(record)}\n`);
    },
    finding: () => {},
    end: (totals) => write(`${rows > 0 ? "\n" : ""}${renderFooter(totals, partial)}`),
  };
}

/** Totals only, as text for people of at most `width` columns. */
export function summaryReport(write: (text: string) => void, width: number | null, partial: boolean): Report {
  return {
    record: null,
    finding: () => {},
    end: (totals) => write(renderSummary(totals, width, partial)),
  };
}

/** Totals only, as one object. */
export function jsonSummaryReport(write: (text: string) => void): Report {
  return {
    record: null,
    finding: () => {},
    end: (totals) => write(`${JSON.stringify(totals)}\n`),
  };
}

/** Whether a record is a session's. */
function isSession(record: object): record is SessionRecord {
  if (!("event" in record) || typeof record.event !== "object" || record.event === null) return false;
  return "dataset" in record.event && record.event.dataset === SESSION_DATASET;
}
