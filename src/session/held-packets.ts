import type { TableUse } from "../pipeline-contract.ts";
import { SubflowEvents } from "../subflow/subflow-events.ts";
import { PacketVector } from "../vector.ts";

/** Octets held at a time; a packet that would make more of them is refused. */
const MAX_OCTETS = 8 * 1024 * 1024;
/** Copies from two agents are this far apart at most; what waited longer is given up. */
const MAX_MICROS = 10_000_000;
/** How often packet time is looked at. */
const TICK_MICROS = 100_000;

/** Behind each held packet. */
const SLACK_OCTETS = 64;

interface Held {
  readonly atMicros: number;
  /** TCP header and payload: their own copy. */
  readonly block: Uint8Array<ArrayBuffer>;
  /** The columns of `columnsOf`, those that are places in the block from its beginning. */
  readonly columns: Float64Array;
}

/** What the session stage reads of a packet. The first PLACES of them are places in the block. */
const columnsOf = (vector: PacketVector, events: SubflowEvents) => [
  vector.mptcpAt,
  vector.tcpAt,
  vector.optionsEnd,
  vector.payloadAt,
  events.dataAt,
  vector.atMicros,
  vector.agent,
  vector.flags,
  vector.payloadLength,
  vector.payloadCaptured,
  events.kind,
  events.subflow,
  events.fromHigher,
  events.ssn,
  events.dsnForm,
  events.dsnHi,
  events.dsnLo,
  events.dataLength,
  events.dataCaptured,
  events.finForm,
  events.finHi,
  events.finLo,
];
const PLACES = 5;

/** Packets of subflows that cannot be taken yet, each with its own copy of the octets, to be taken later as they came. */
export class HeldPackets {
  /** The packet under replay: entry 0 of both. */
  readonly vector = new PacketVector();
  readonly events = new SubflowEvents();
  /** By subflow, in the order of their first packets. */
  private readonly queues = new Map<number, Held[]>();
  private readonly most: number;
  private packets = 0;
  private octets = 0;
  private tick = 0;

  /** @param most packets held at a time; one more is refused */
  constructor(most: number) {
    this.most = most;
  }

  /** Keeps a copy of packet i; false when a bound is met. */
  hold(vector: PacketVector, events: SubflowEvents, i: number): boolean {
    const from = vector.tcpAt[i] ?? 0;
    const to = (vector.payloadAt[i] ?? 0) + (vector.payloadCaptured[i] ?? 0);
    const length = Math.max(to - from, 0);
    if (this.packets >= this.most || this.octets + length + SLACK_OCTETS > MAX_OCTETS) return false;
    const columns = Float64Array.from(columnsOf(vector, events), (column, at) => {
      const value = column[i] ?? 0;
      // 0 says that there is no option.
      return at < PLACES && value > 0 ? value - from : value;
    });
    // Longer than the packet, so that no decoder's look ahead can leave it.
    const block = new Uint8Array(length + SLACK_OCTETS);
    block.set(vector.block.subarray(from, from + length));
    const subflow = events.subflow[i] ?? -1;
    const queue = this.queues.get(subflow);
    const held = { atMicros: vector.atMicros[i] ?? 0, block, columns };
    if (queue === undefined) this.queues.set(subflow, [held]);
    else queue.push(held);
    this.packets++;
    this.octets += block.length;
    return true;
  }

  /**
   * Calls `take` for each packet of a subflow, in order, with the packet as entry 0 of `vector` and `events`; they are
   * forgotten before the first call.
   */
  replay(subflow: number, take: () => void): void {
    const queue = this.queues.get(subflow) ?? [];
    this.forget(subflow);
    for (const { block, columns } of queue) this.present(block, columns, take);
  }

  /** Forgets the packets of a subflow. */
  forget(subflow: number): void {
    for (const held of this.queues.get(subflow) ?? []) this.drop(held);
    this.queues.delete(subflow);
  }

  /** How many packets of a subflow are held. */
  count(subflow: number): number {
    return this.queues.get(subflow)?.length ?? 0;
  }

  /** Packets that are held. */
  get use(): TableUse {
    return { used: this.packets, bound: this.most };
  }

  /** Whether more than half of the room is taken. */
  get isHalfFull(): boolean {
    return this.packets * 2 > this.most || this.octets * 2 > MAX_OCTETS;
  }

  /** Calls `look` for each packet of a subflow as `replay` does, and keeps them. */
  look(subflow: number, look: () => void): void {
    for (const { block, columns } of this.queues.get(subflow) ?? []) this.present(block, columns, look);
  }

  /** Whether it is time to look at what is held; not again before packet time has moved on. */
  isDue(nowMicros: number): boolean {
    if (this.queues.size === 0 || Math.abs(nowMicros - this.tick) < TICK_MICROS) return false;
    this.tick = nowMicros;
    return true;
  }

  /** Whether a packet of a subflow has waited too long at this packet time. */
  isOverdue(subflow: number, nowMicros: number): boolean {
    return (this.queues.get(subflow) ?? []).some((held) => isOverdue(held, nowMicros));
  }

  /** All subflows with held packets. */
  get subflows(): number[] {
    return [...this.queues.keys()];
  }

  /** Forgets the packets of a subflow that have waited too long, after showing each to `look` as `replay` does. */
  giveUp(subflow: number, nowMicros: number, look: () => void): void {
    const queue = this.queues.get(subflow) ?? [];
    const kept = queue.filter((held) => !isOverdue(held, nowMicros));
    if (kept.length === 0) this.queues.delete(subflow);
    else this.queues.set(subflow, kept);
    for (const held of queue) {
      if (!isOverdue(held, nowMicros)) continue;
      this.drop(held);
      this.present(held.block, held.columns, look);
    }
  }

  private present(block: Uint8Array<ArrayBuffer>, columns: Float64Array, take: () => void): void {
    this.vector.use(block);
    for (const [at, column] of columnsOf(this.vector, this.events).entries()) column[0] = columns[at] ?? 0;
    take();
  }

  private drop({ block }: Held): void {
    this.packets--;
    this.octets -= block.length;
  }
}

/** Either way, so that a time far ahead that one packet states keeps no room. */
const isOverdue = ({ atMicros }: Held, nowMicros: number): boolean => Math.abs(nowMicros - atMicros) > MAX_MICROS;
