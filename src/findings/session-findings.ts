import { createHash } from "node:crypto";
import type { FindingRecord } from "../../schema/finding-record.ts";
import { FINDING_DATASET, FINDINGS } from "../../schema/finding-vocabulary.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import type { SubflowRecord } from "../../schema/subflow.ts";
import type { TableUse } from "../pipeline-contract.ts";
import type { Finding } from "./finding.ts";
import { findingsIn } from "./rules.ts";

/** Findings of one session; in further ones its record is as good. */
const MAX_FINDINGS = 32;
/** Findings of all live sessions. */
const MAX_REMEMBERED = 2 ** 18;

interface Told {
  /** Ids. */
  readonly made: Set<string>;
  leftOut: number;
}

/**
 * Makes the findings of sessions out of their records, each finding once. Remembers the ids of those made while a session
 * lives, at most MAX_FINDINGS of each session and so many of all, and how many others its newest record shows.
 */
export class SessionFindings {
  private readonly told = new Map<string, Told>();
  private readonly counts: Record<string, number> = {};
  private readonly most: number;
  private remembered = 0;

  /** @param most findings of all live sessions; further ones are left out */
  constructor(most = MAX_REMEMBERED) {
    this.most = most;
  }

  /** Gives `take` the findings that a session's record is the first to show. */
  take(record: SessionRecord, take: (finding: FindingRecord) => void): void {
    const { id } = record.mptcp.session;
    const told = this.told.get(id) ?? { made: new Set(), leftOut: 0 };
    const { made } = told;
    let leftOut = 0;
    for (const finding of findingsIn(record)) {
      const one = recordOf(finding, record);
      if (made.has(one.event.id)) continue;
      if (made.size >= MAX_FINDINGS || this.remembered >= this.most) {
        leftOut++;
        continue;
      }
      made.add(one.event.id);
      this.remembered++;
      this.count(finding.kind);
      take(one);
    }
    // The session's next record shows them again.
    for (; told.leftOut < leftOut; told.leftOut++) this.count("left-out");
    if (record.mptcp.close !== null) {
      this.told.delete(id);
      this.remembered -= made.size;
    } else if (made.size + leftOut > 0) this.told.set(id, told);
  }

  /** Findings since the start, by kind; those that were too many for their session as `left-out`. */
  totals(): Record<string, number> {
    return { ...this.counts };
  }

  /** Findings that are remembered of live sessions. */
  get use(): TableUse {
    return { used: this.remembered, bound: this.most };
  }

  private count(kind: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }
}

function recordOf(finding: Finding, record: SessionRecord): FindingRecord {
  const { kind, subject, subflow, side, message } = finding;
  const { session, subflows } = record.mptcp;
  const one = subflows.find(({ id }) => id === subflow);
  const { source, destination, community_id } = one ?? { ...record, ...record.network };
  const about = one === undefined ? "" : `${nameOf(one)}-`;
  // A subject may hold names of agents: of any length and alphabet.
  const hash = createHash("sha256").update(`${about}${subject}`).digest("hex").slice(0, 12);
  return {
    "@timestamp": record["@timestamp"],
    event: {
      id: `${session.id}-${kind}-${hash}`,
      kind: "alert",
      category: ["network"],
      type: ["info"],
      dataset: FINDING_DATASET,
      action: kind,
      severity: FINDINGS[kind],
    },
    message,
    network: { transport: "tcp", type: source.ip.includes(":") ? "ipv6" : "ipv4", community_id },
    source: { ip: source.ip, port: source.port },
    destination: { ip: destination.ip, port: destination.port },
    observer: record.observer,
    mptcp: { session: { id: session.id, revision: session.revision }, subflow, side },
  };
}

/**
 * What tells a subflow from others of its session. Not its number, which changes when one before it turns out to be another
 * session's. A session has one initial subflow, whose start is earlier once it was seen behind an address translator, too; of
 * a join that was seen twice the earlier start stays.
 */
function nameOf({ kind, community_id, start }: SubflowRecord): string {
  return kind === "initial" ? kind : `${community_id}-${start}`;
}
