import { once } from "node:events";
import { AGENT_DATASET, agentRecord } from "../../schema/agent-record.ts";
import { FINDING_DATASET, type FindingRecord, findingRecord } from "../../schema/finding-record.ts";
import { GAP_DATASET, gapRecord } from "../../schema/gap-record.ts";
import { SESSION_DATASET, type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { STREAM_DATASET, streamChunk } from "../../schema/stream-chunk.ts";
import { findingsIn } from "../../src/findings/rules.ts";
import { OperationalError } from "../runtime/errors.ts";
import { agentHeader, agentRow } from "../terminal/agent-table.ts";
import { chunkHeader, chunkRow } from "../terminal/chunk-table.ts";
import { findingDetail, findingLine } from "../terminal/finding-line.ts";
import { gapHeader, gapRow } from "../terminal/gap-table.ts";
import { sessionDetail } from "../terminal/session-detail.ts";
import { MAX_FINDINGS_SHOWN, type SessionTable, sessionTable } from "../terminal/session-table.ts";
import type { Style } from "../terminal/style.ts";
import { printable, printableJson } from "../terminal/text.ts";
import type { Arrival } from "./arrival.ts";
import type { Filter } from "./filter.ts";

/** How records are shown. */
export interface PrinterOptions {
  readonly shape: "table" | "detail" | "json";
  readonly style: Style;
  /** Columns of the terminal; null where there is none, and nothing is cut. */
  readonly width: number | null;
  /** Only sessions' last records: those that say that the session ended. */
  readonly ended: boolean;
  /** Only records that each of these wants; where there are any, none of a dataset that this version does not know. */
  readonly filters: readonly Filter[];
  /** Records after which no more are wanted; null for all. */
  readonly count: number | null;
}

/** What `decode` says of a line that is no JSON. */
const NOT_JSON = "not JSON";
/** Faults that are told one by one; all are counted. */
const MAX_FAULTS_TOLD = 10;

/**
 * Writes records to one stream and what is wrong with others to another, one line each. `printed` and
 * `broken` count them, `taken` all.
 */
export class Printer {
  taken = 0;
  printed = 0;
  broken = 0;
  private readonly options: PrinterOptions;
  private readonly out: NodeJS.WritableStream;
  private readonly complain: (line: string) => void;
  private readonly sessions: SessionTable;
  /** Some were no JSON. */
  private notJson = false;
  /** The dataset whose heading was printed last. */
  private heading = "";
  /** Findings that stand below the session that was printed last: their records, which follow its own, say nothing new. */
  private below: ReadonlySet<string> = new Set();
  /** The reader of our output has gone, as `head` does. */
  private gone = false;

  constructor(options: PrinterOptions, out: NodeJS.WritableStream, complain: (line: string) => void) {
    this.options = options;
    this.sessions = sessionTable(options.width, options.style, { revisions: true });
    this.out = out;
    this.complain = complain;
    out.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") {
        throw new OperationalError("output-unwritable", `standard output: cannot be written (${error.message})`);
      }
      this.gone = true;
    });
  }

  /** Not one of several was a record, and some no JSON: lines are pieces of records, as `jq .` writes them. */
  get isTornApart(): boolean {
    return this.taken > 1 && this.broken === this.taken && this.notJson;
  }

  /** Prints one arrival; resolves, when the output can take more, to false where no more are wanted. */
  readonly take = async ({ where, decoded }: Arrival): Promise<boolean> => {
    this.taken++;
    const text = decoded.ok ? this.textOf(decoded.record) : { fault: decoded.reason };
    if ("fault" in text) {
      this.broken++;
      this.notJson ||= text.fault === NOT_JSON;
      if (this.broken <= MAX_FAULTS_TOLD) this.complain(printable(`${where}: ${text.fault}`));
      if (this.broken === MAX_FAULTS_TOLD) this.complain("further faults are counted, not told");
      return !this.gone;
    }
    if (text.lines.length === 0) return !this.gone;
    this.printed++;
    if (!this.gone && !this.out.write(`${text.lines.join("\n")}\n`)) await this.drained();
    return !this.gone && this.printed !== this.options.count;
  };

  private async drained(): Promise<void> {
    // A broken pipe never drains; `once` rejects with it and the listener above has seen it.
    await once(this.out, "drain").catch(() => {});
  }

  /** The lines of a record, none where it is not wanted. */
  private textOf(record: object): { lines: string[] } | { fault: string } {
    const dataset = datasetOf(record);
    if (dataset === null) return { fault: "not a record: event.dataset is missing" };
    const session = dataset === SESSION_DATASET ? sessionRecord.safeParse(record) : null;
    const agent = dataset === AGENT_DATASET ? agentRecord.safeParse(record) : null;
    const finding = dataset === FINDING_DATASET ? findingRecord.safeParse(record) : null;
    const chunk = dataset === STREAM_DATASET ? streamChunk.safeParse(record) : null;
    const gap = dataset === GAP_DATASET ? gapRecord.safeParse(record) : null;
    const [issue] = (session ?? agent ?? finding ?? chunk ?? gap)?.error?.issues ?? [];
    if (issue !== undefined) return { fault: `not a ${dataset} record: ${issue.path.join(".")}: ${issue.message}` };

    const { shape, style, width, ended, filters } = this.options;
    const known = (session ?? agent ?? finding ?? chunk ?? gap)?.data;
    if (filters.length > 0 && (known === undefined || !filters.every((wants) => wants(known)))) return { lines: [] };
    if (ended && session?.data?.event.action !== "session-ended") return { lines: [] };
    if (session?.success && shape !== "json") this.below = findingsBelow(session.data, shape);
    if (finding?.success && shape !== "json" && this.isBelow(finding.data)) return { lines: [] };
    if (session?.success && shape === "detail") return { lines: sessionDetail(session.data, style, width) };
    if (session?.success && shape === "table") {
      return this.under(dataset, this.sessions.header, this.sessions.row(session.data));
    }
    if (agent?.success && shape !== "json")
      return this.under(dataset, agentHeader(style), agentRow(agent.data, style, width));
    if (chunk?.success && shape !== "json") return this.under(dataset, chunkHeader(style), chunkRow(chunk.data, style));
    if (gap?.success && shape !== "json") return this.under(dataset, gapHeader(style), gapRow(gap.data, style, width));
    if (finding?.success && shape === "detail") return { lines: findingDetail(finding.data, style) };
    // Where its session stands under the same heading, it is known by the beginning of its id.
    if (finding?.success && shape === "table") return { lines: [findingLine(finding.data, style, width)] };
    // The record as it came: it may have fields and datasets that this version does not know.
    return { lines: [printableJson(JSON.stringify(record))] };
  }

  private isBelow({ event, message, mptcp }: FindingRecord): boolean {
    return this.below.has(named(mptcp.session.id, event.action, message));
  }

  private under(dataset: string, header: string, row: string): { lines: string[] } {
    if (this.heading === dataset) return { lines: [row] };
    this.heading = dataset;
    return { lines: [header, row] };
  }
}

/** Which findings stand below a session in that shape, by `named`. */
function findingsBelow(record: SessionRecord, shape: "table" | "detail"): ReadonlySet<string> {
  const shown = findingsIn(record).slice(0, shape === "table" ? MAX_FINDINGS_SHOWN : undefined);
  return new Set(shown.map(({ kind, message }) => named(record.mptcp.session.id, kind, message)));
}

const named = (session: string, kind: string, message: string): string => `${session} ${kind} ${message}`;

function datasetOf(record: object): string | null {
  const event = "event" in record ? record.event : null;
  return event !== null && typeof event === "object" && "dataset" in event && typeof event.dataset === "string"
    ? event.dataset
    : null;
}
