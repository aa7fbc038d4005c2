import type { AgentLedger, ReportedCounts } from "../pipeline-contract.ts";
import type { PacketVector } from "../vector.ts";
import type { AgentReport } from "../wire/agent-report.ts";
import { DeviceClock } from "./device-clock.ts";
import { LossTimes } from "./loss-times.ts";
import type { RateBound } from "./rate-bound.ts";
import { SequenceLedger, type SequenceMark } from "./sequence-ledger.ts";

/** Who sends a stream: one numbering of one agent. */
export type StreamName = Pick<AgentLedger, "name" | "address" | "key" | "encapsulation">;

/** What came of one agent's stream, what did not, and what the agent says of both. */
export class StreamLedger {
  readonly names: StreamName;
  /** On the packets of its agent, which may have further streams; null: none. */
  bound: RateBound | null;
  /** Of the device that stamps its copies. */
  readonly clock = new DeviceClock();
  private readonly sequence = new SequenceLedger();
  private readonly losses = new LossTimes();
  private packets = 0;
  private octets = 0;
  private refused = 0;
  private reports = 0;
  private firstMicros = -1;
  private lastMicros = -1;
  private reported: ReportedCounts | null = null;
  /** What had come, and was lost, before the run of the agent that the newest report is of. */
  private before: Pick<SequenceMark, "received" | "lost"> = { received: 0, lost: 0 };
  /** When the newest report came. */
  private mark: SequenceMark | null = null;
  /** Packets before the first that came, of earlier runs and of this one. */
  private unheardEarlier = 0;
  private unheard = 0;

  constructor(names: StreamName, bound: RateBound | null) {
    this.names = names;
    this.bound = bound;
  }

  /**
   * Counts packet i of so many octets; `sequence` is -1 where its header had none. Returns false when it is over the bound of
   * its agent and must be refused. Takes its time out of the vector: a fraction that is handed on costs an allocation.
   */
  count(sequence: number, octets: number, vector: PacketVector, i: number): boolean {
    const atMicros = vector.atMicros[i]!;
    this.packets++;
    this.octets += octets;
    if (this.firstMicros < 0) this.firstMicros = atMicros;
    this.lastMicros = atMicros;
    if (sequence >= 0) {
      const { lost } = this.sequence;
      this.sequence.count(sequence);
      if (this.sequence.lost !== lost) this.losses.note(atMicros, this.sequence.lost);
    }
    if (this.bound === null || !this.bound.isOver(atMicros)) return true;
    this.refused++;
    return false;
  }

  /** Takes a report that came as the newest packet of this stream. */
  report(report: AgentReport, atMicros: number): void {
    const { sequence } = this;
    this.reports++;
    if (this.reported?.startedMicros !== report.startedMicros) {
      // Forged reports may name any numbers; a record holds none above this.
      this.unheardEarlier = Math.min(this.unheardEarlier + this.unheard, Number.MAX_SAFE_INTEGER);
      if (this.mark !== null) sequence.restartSince(this.mark, report.number % 2 ** 32);
      this.before = sequence.numbering;
    }
    // One that was overtaken by a later one says nothing new.
    else if (report.number < this.reported.number) return;
    this.reported = { ...report, atMicros };
    const received = sequence.received - this.before.received;
    sequence.last = report.isLast ? (report.numbered - 1) % 2 ** 32 : -1;
    this.mark = sequence.mark();
    this.unheard = Math.max(0, report.number + 1 - received - (sequence.lost - this.before.lost));
  }

  /** Copies found to be lost from one moment of packet time to another. */
  lostBetween(fromMicros: number, toMicros: number): number {
    return this.losses.between(fromMicros, toMicros);
  }

  /** Null where nothing came. */
  ledger(): AgentLedger | null {
    if (this.packets === 0) return null;
    const { names, packets, octets, refused, reports, firstMicros, lastMicros, reported, sequence } = this;
    const { late, duplicate, restarted } = sequence;
    const unheard = Math.min(this.unheardEarlier + this.unheard, Number.MAX_SAFE_INTEGER);
    const counts = {
      packets,
      octets,
      lost: sequence.lost + sequence.missing(),
      late,
      duplicate,
      restarted,
      unheard,
      refused,
      reports,
    };
    return { ...names, ...counts, firstMicros, lastMicros, reported };
  }
}
