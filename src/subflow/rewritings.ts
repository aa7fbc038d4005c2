import { MAX_REWRITTEN, REWRITE_KINDS, REWRITTEN_OCTETS } from "../../schema/session-vocabulary.ts";
import type { TableUse } from "../pipeline-contract.ts";
import type { Differences } from "./differences.ts";

/** Subflows of which rewritings are told at a time; those of further ones are counted in `shed`. */
const MAX_SUBFLOWS = 16_384;

/** One way in which packets of one direction of a subflow were rewritten between two agents. */
export interface Rewriting {
  readonly kind: (typeof REWRITE_KINDS)[number];
  /** 1 when the packets came from the higher endpoint of the flow key. */
  readonly higher: number;
  /** Agents: who copied the packets before they were rewritten, and who behind. */
  readonly before: number;
  readonly after: number;
  packets: number;
  /** The first such packet: its time in µs, and its TCP sequence number; of payload, of the first octet that differs. */
  readonly atMicros: number;
  readonly seq: number;
  /** What differs, in hex: payload from there on, or the traffic class octet; null for options, which hold keys. */
  readonly octetsBefore: string | null;
  readonly octetsAfter: string | null;
}

/** A subflow's rewritings, and how many packets were rewritten in ways beyond the bound. */
export interface SubflowRewritings {
  readonly ways: Rewriting[];
  shed: number;
}

/** What was rewritten between two agents, of the few subflows to which that happens. */
export class Rewritings {
  /** Packets rewritten, of subflows beyond the bound. */
  shed = 0;
  private readonly subflows = new Map<number, SubflowRewritings>();
  private readonly maxSubflows: number;

  /** @param maxSubflows how many subflows are told of at a time */
  constructor(maxSubflows = MAX_SUBFLOWS) {
    this.maxSubflows = maxSubflows;
  }

  /** Subflows of which rewritings are told. */
  get use(): TableUse {
    return { used: this.subflows.size, bound: this.maxSubflows };
  }

  /** Notes the differences of packet i, of this subflow, direction, time and sequence number. */
  note(subflow: number, higher: number, atMicros: number, seq: number, i: number, differences: Differences): void {
    let noted = this.subflows.get(subflow);
    if (noted === undefined) {
      if (this.subflows.size >= this.maxSubflows) {
        this.shed++;
        return;
      }
      noted = { ways: [], shed: 0 };
      this.subflows.set(subflow, noted);
    }
    const before = differences.before[i]!;
    const after = differences.after[i]!;
    for (const [n, kind] of REWRITE_KINDS.entries()) {
      if ((differences.kinds[i]! & (1 << n)) === 0) continue;
      const known = noted.ways.find(
        (way) => way.kind === kind && way.higher === higher && way.before === before && way.after === after,
      );
      if (known !== undefined) known.packets++;
      else if (noted.ways.length >= MAX_REWRITTEN) noted.shed++;
      else
        noted.ways.push({ kind, higher, before, after, packets: 1, atMicros, ...firstOf(kind, seq, i, differences) });
    }
  }

  /** What was rewritten of a subflow, null when nothing was. */
  of(subflow: number): SubflowRewritings | null {
    return this.subflows.get(subflow) ?? null;
  }

  /** Forgets a subflow. */
  release(subflow: number): void {
    this.subflows.delete(subflow);
  }
}

function firstOf(
  kind: Rewriting["kind"],
  seq: number,
  i: number,
  differences: Differences,
): Pick<Rewriting, "seq" | "octetsBefore" | "octetsAfter"> {
  const hex = (octet: number): string => octet.toString(16).padStart(2, "0");
  if (kind === "dscp" || kind === "ecn") {
    const classes = differences.classes[i]!;
    return { seq, octetsBefore: hex(classes >>> 8), octetsAfter: hex(classes & 0xff) };
  }
  if (kind !== "payload") return { seq, octetsBefore: null, octetsAfter: null };
  const octets = (place: number): string => {
    const at = place * REWRITTEN_OCTETS;
    return Array.from(differences.octets.subarray(at, at + differences.octetCounts[place]!), hex).join("");
  };
  return {
    seq: (seq + differences.payloadOffset[i]!) >>> 0,
    octetsBefore: octets(i * 2),
    octetsAfter: octets(i * 2 + 1),
  };
}
