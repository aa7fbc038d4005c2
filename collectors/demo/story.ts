import type { SessionRecord } from "../../schema/session-record.ts";
import type { Style } from "../terminal/style.ts";
import { fill, humanOctets } from "../terminal/text.ts";

/** Characters of time, session, what, between, seen by, verdict: 80 columns. */
const WIDTHS = [6, 8, 9, 34, 9, 9] as const;
const TITLES = ["TIME", "SESSION", "WHAT", "WHO", "SEEN BY", "VERDICT"] as const;

/** How far a session has been told. */
interface Told {
  readonly subflows: Set<number>;
  addresses: number;
}

/**
 * Tells sessions while they live: a line when one opens, when a subflow has joined and its HMACs are known, when an
 * address is announced, and when it ends. Remembers sessions until they end.
 */
export class Story {
  private readonly style: Style;
  private readonly told = new Map<string, Told>();
  private beginMs: number | null = null;
  /** A session ends a little before its end is known: time is never told backwards. */
  private latestMs = 0;

  constructor(style: Style) {
    this.style = style;
  }

  /** The line that stands above all others. */
  heading(): string {
    return this.style.strong(layout(TITLES).join(" ").trimEnd());
  }

  /** The lines that a record is worth. */
  take(record: SessionRecord): string[] {
    const { session, subflows, addresses, close } = record.mptcp;
    this.beginMs ??= Date.parse(record.event.start);
    const lines: string[] = [];
    let told = this.told.get(session.id);
    if (told === undefined) {
      told = { subflows: new Set([0]), addresses: 0 };
      this.told.set(session.id, told);
      const version = record.mptcp.version === null ? "MPTCP" : `MPTCP v${record.mptcp.version}`;
      lines.push(this.line(record, "opened", between(subflows[0] ?? record), subflows[0]?.agents ?? [], version));
    }
    for (const address of addresses.slice(told.addresses)) {
      const who = `${address.ip ?? "an address"}, by the ${address.side}`;
      lines.push(this.line(record, "+ address", who, [], ""));
    }
    told.addresses = addresses.length;
    for (const subflow of subflows) {
      const hmac = subflow.join?.hmac;
      const decided = hmac !== undefined && hmac.initiator !== "unverifiable" && hmac.responder !== "unverifiable";
      if (told.subflows.has(subflow.id) || (!decided && close === null)) continue;
      told.subflows.add(subflow.id);
      lines.push(this.line(record, "+ subflow", between(subflow), subflow.agents, verdictOf(subflow)));
    }
    if (close !== null) {
      this.told.delete(session.id);
      const { initiator, responder } = record.mptcp.stream;
      const sizes = `${humanOctets(initiator.octets)} sent, ${humanOctets(responder.octets)} back`;
      const whole = initiator.complete && responder.complete ? "whole" : "not whole";
      const verdict = close.reason === "fastclose" ? "aborted" : whole;
      lines.push(this.line(record, "ended", sizes, [close.reason], verdict));
    }
    return lines;
  }

  private line(record: SessionRecord, what: string, who: string, by: readonly string[], verdict: string): string {
    this.latestMs = Math.max(this.latestMs, Date.parse(record["@timestamp"]));
    const seconds = (this.latestMs - (this.beginMs ?? 0)) / 1000;
    const id = record.mptcp.session.id.slice(0, 8);
    const cells = layout([`${seconds.toFixed(1)} s`, id, what, who, by.join("+"), verdict]);
    const { quiet, strong, good, bad, doubt } = this.style;
    const paint = { verified: good, whole: good, failed: bad, aborted: doubt, "not whole": doubt }[verdict];
    const [time = "", session = "", event = "", ends = "", agents = "", word = ""] = cells;
    const marked = what === "opened" || what === "ended" ? strong(event) : event;
    return [quiet(time), session, marked, ends, agents, paint === undefined ? word : paint(word)].join(" ").trimEnd();
  }
}

function layout(cells: readonly string[]): string[] {
  return cells.map((cell, i) => fill(cell, WIDTHS[i] ?? 0, i === 0 ? "right" : "left"));
}

/** Addresses without ports: in the order of the subflow's SYN. */
function between({ source, destination }: Pick<SessionRecord, "source" | "destination">): string {
  return `${source.ip} → ${destination.ip}`;
}

/** One word for both HMACs of a join. */
function verdictOf({ join }: SessionRecord["mptcp"]["subflows"][number]): string {
  const verdicts = join === null ? [] : [join.hmac.initiator, join.hmac.responder];
  if (verdicts.includes("failed")) return "failed";
  return verdicts.every((verdict) => verdict === "verified") ? "verified" : "unknown";
}
