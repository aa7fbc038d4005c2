import { SubflowEvents } from "../subflow/subflow-events.ts";
import { PacketVector } from "../vector.ts";

/** Packets held at a time, and their octets; one more is refused. */
const MAX_PACKETS = 4096;
const MAX_OCTETS = 8 * 1024 * 1024;
/** Copies from two agents are this far apart at most; what waited longer is given up. */
const MAX_MICROS = 10_000_000;

/** Behind each held packet. */
const SLACK_OCTETS = 64;
const NOTHING = new Uint8Array(0);

interface Held {
  readonly subflow: number;
  readonly atMicros: number;
  /** TCP header and, where wanted, payload: their own copy. */
  block: Uint8Array<ArrayBuffer>;
  /** The columns of `columnsOf`, those that are places in the block from its beginning. */
  readonly columns: Float64Array;
  taken: boolean;
}

/** What the session stage reads of a packet. The first PLACES of them are places in the block. */
const columnsOf = (vector: PacketVector, events: SubflowEvents) => [
  vector.mptcpAt,
  vector.optionsEnd,
  vector.payloadAt,
  events.dataAt,
  vector.atMicros,
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
const PLACES = 4;

/**
 * Packets of joins that came before the handshake of their session, as they do when agents are not equally far away.
 * They are replayed when the session is known.
 */
export class HeldPackets {
  /** The packet under replay: entry 0 of both. */
  readonly vector = new PacketVector();
  readonly events = new SubflowEvents();
  private queue: Held[] = [];
  private packets = 0;
  private octets = 0;

  /** Keeps a copy of packet i, without its payload where nobody wants octets; false when a bound is met. */
  hold(vector: PacketVector, events: SubflowEvents, i: number, withPayload: boolean): boolean {
    const atMicros = vector.atMicros[i] ?? 0;
    this.giveUp(atMicros);
    const from = vector.tcpAt[i] ?? 0;
    const to = withPayload
      ? (vector.payloadAt[i] ?? 0) + (vector.payloadCaptured[i] ?? 0)
      : (vector.optionsEnd[i] ?? 0);
    const length = Math.max(to - from, 0);
    if (this.packets >= MAX_PACKETS || this.octets + length + SLACK_OCTETS > MAX_OCTETS) return false;
    const columns = Float64Array.from(columnsOf(vector, events), (column, at) => {
      const value = column[i] ?? 0;
      // 0 says that there is no option.
      return at < PLACES && value > 0 ? value - from : value;
    });
    // Longer than the packet, so that no decoder's look ahead can leave it.
    const block = new Uint8Array(length + SLACK_OCTETS);
    block.set(vector.block.subarray(from, from + length));
    this.queue.push({ subflow: events.subflow[i] ?? -1, atMicros, block, columns, taken: false });
    this.packets++;
    this.octets += block.length;
    return true;
  }

  /** Calls `take` for each packet of a subflow, in order, with the packet as entry 0 of `vector` and `events`; then forgets them. */
  replay(subflow: number, take: () => void): void {
    for (const held of this.queue) {
      if (held.subflow !== subflow || held.taken) continue;
      const { block } = held;
      this.drop(held);
      this.vector.use(block);
      for (const [at, column] of columnsOf(this.vector, this.events).entries()) column[0] = held.columns[at] ?? 0;
      take();
    }
    this.queue = this.queue.filter((held) => !held.taken);
  }

  /** Forgets the packets of a subflow. */
  forget(subflow: number): void {
    for (const held of this.queue) if (held.subflow === subflow && !held.taken) this.drop(held);
    // Entries that are gone wait for those before them, but not for ever.
    if (this.queue.length > 64 && this.queue.length > this.packets * 2) {
      this.queue = this.queue.filter((held) => !held.taken);
    }
  }

  private giveUp(nowMicros: number): void {
    const first = this.queue.findIndex((held) => !held.taken && nowMicros - held.atMicros <= MAX_MICROS);
    if (first === 0) return;
    const gone = first < 0 ? this.queue : this.queue.slice(0, first);
    for (const held of gone) if (!held.taken) this.drop(held);
    this.queue = first < 0 ? [] : this.queue.slice(first);
  }

  private drop(held: Held): void {
    held.taken = true;
    this.packets--;
    this.octets -= held.block.length;
    held.block = NOTHING;
  }
}
