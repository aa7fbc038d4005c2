import { CHANGED, type Infinite, type Mapping } from "./network.ts";
import type { SessionPlan } from "./plan.ts";
import type { SubflowEnd } from "./subflow-end.ts";

/** Payload that came before the mapping that places it. */
interface Waiting {
  readonly end: SubflowEnd;
  readonly ssn: number;
  readonly payload: Uint8Array;
}

/** What a reception asks of its host. */
interface Receiver {
  /** Whether the octets of a mapping that has come whole are taken; acts if their checksum is wrong. */
  mayTake(end: SubflowEnd, mapping: Mapping, octets: Uint8Array): boolean;
  /** The offset of the first octet behind the initial subflow's SYN. */
  begin(): number;
}

/** What a host has of its peer's stream, put together from what its subflows bring. */
export class Reception {
  private readonly stream: Uint8Array;
  private readonly isTampered: boolean;
  private readonly receiver: Receiver;
  private readonly got: Uint8Array;
  private reached = 0;
  private hasFin = false;
  private readonly mappings = new Map<SubflowEnd, Mapping[]>();
  private waiting: Waiting[] = [];
  /** Octets are taken only when their mapping is whole, and the receiver says so. */
  private isChecked: boolean;
  /** Mappings whose checksums were judged. */
  private readonly judged = new Set<Mapping>();
  /** The subflow whose octets need no mapping any more, and where they lie by the infinite mapping. */
  private plain: SubflowEnd | null = null;
  private infinite: Infinite | null = null;

  /** @param stream what the peer sends, and what comes must be, unless the plan has somebody change it */
  constructor(stream: Uint8Array, { paths, checksum }: SessionPlan, receiver: Receiver) {
    this.stream = stream;
    this.isTampered = paths.some(({ tampered }) => tampered > 0);
    this.isChecked = checksum && this.isTampered;
    this.receiver = receiver;
    this.got = new Uint8Array(stream.length);
  }

  /** The stream and its DATA_FIN have come. */
  get isWhole(): boolean {
    return this.hasFin && this.reached === this.stream.length;
  }

  /** What is acknowledged: octets in order, and one more for the DATA_FIN. */
  get dataAck(): number {
    return this.reached + (this.isWhole ? 1 : 0);
  }

  /** Takes a mapping, for payload that came and will come on its subflow. */
  map(end: SubflowEnd, mapping: Mapping): void {
    const known = this.mappings.get(end) ?? [];
    this.mappings.set(end, [...known.filter(({ ssn }) => ssn !== mapping.ssn), mapping]);
    if (mapping.fin && !this.isChecked) this.hasFin = true;
    if (mapping.fin && mapping.length === 0) this.hasFin = true;
    this.takeWaiting(end);
  }

  /** Goes on by the subflow's own numbers from here. */
  goOn(end: SubflowEnd, infinite: Infinite): void {
    this.infinite = infinite;
    this.takeWaiting(end);
  }

  /** Octets of this subflow need no mapping any more, and no others come (RFC 8684 §3.7). */
  goPlain(end: SubflowEnd): void {
    this.plain = end;
    this.isChecked = false;
    this.waiting = this.waiting.filter((one) => one.end === end);
    this.placeWaiting();
  }

  /** Takes payload at this place of a subflow. */
  take(end: SubflowEnd, ssn: number, payload: Uint8Array): void {
    this.waiting.push({ end, ssn, payload });
    this.takeWaiting(end);
  }

  /** Takes octets at this place of the stream. */
  place(offset: number, payload: Uint8Array): void {
    const sent = this.stream.subarray(offset, offset + payload.length);
    const mayBe = (octet: number, n: number): boolean => this.isTampered && octet === ((sent[n] ?? 0) ^ CHANGED);
    if (Buffer.compare(payload, sent) !== 0 && !payload.every((octet, n) => octet === sent[n] || mayBe(octet, n))) {
      throw new Error(`the simulator delivers wrong octets at ${offset}`);
    }
    this.got.fill(1, offset, offset + payload.length);
    while (this.got[this.reached] === 1) this.reached++;
  }

  private takeWaiting(end: SubflowEnd): void {
    if (this.isChecked) for (const mapping of this.mappings.get(end) ?? []) this.takeWhole(end, mapping);
    if (!this.isChecked) this.placeWaiting();
  }

  /** Takes a mapping's octets once all of them have come, the first copy of each, and their checksum is right. */
  private takeWhole(end: SubflowEnd, mapping: Mapping): void {
    if (end.isDead || mapping.length === 0 || this.judged.has(mapping)) return;
    const octets = new Uint8Array(mapping.length);
    const came = new Uint8Array(mapping.length);
    for (const { end: on, ssn, payload } of this.waiting) {
      if (on !== end) continue;
      for (let n = Math.max(0, mapping.ssn - ssn); n < payload.length; n++) {
        const at = ssn + n - mapping.ssn;
        if (at >= mapping.length) break;
        if (came[at] === 0) octets[at] = payload[n] ?? 0;
        came[at] = 1;
      }
    }
    if (came.includes(0)) return;
    this.judged.add(mapping);
    if (!this.receiver.mayTake(end, mapping, octets)) return;
    this.place(mapping.offset, octets);
    if (mapping.fin) this.hasFin = true;
  }

  private placeWaiting(): void {
    this.waiting = this.waiting.filter((one) => !this.isPlaced(one));
  }

  private isPlaced({ end, ssn, payload }: Waiting): boolean {
    const left = new Uint8Array(payload.length).fill(1);
    for (const mapping of this.mappings.get(end) ?? []) {
      const from = Math.max(ssn, mapping.ssn);
      const to = Math.min(ssn + payload.length, mapping.ssn + mapping.length);
      if (from >= to) continue;
      this.place(mapping.offset + from - mapping.ssn, payload.subarray(from - ssn, to - ssn));
      left.fill(0, from - ssn, to - ssn);
    }
    const ahead = this.plain === end ? this.ahead(end) : null;
    for (let from = left.indexOf(1); from >= 0 && ahead !== null; from = left.indexOf(1)) {
      const next = left.indexOf(0, from);
      const to = next < 0 ? left.length : next;
      this.place(ssn + from + ahead, payload.subarray(from, to));
      left.fill(0, from, to);
    }
    return !left.includes(1);
  }

  /** How far the stream is ahead of a subflow without mappings; null while nobody has said. */
  private ahead(end: SubflowEnd): number | null {
    const known = this.mappings.get(end) ?? [];
    // A DATA_FIN alone has no place on a subflow.
    const newest = known.filter(({ length }) => length > 0).toSorted((a, b) => b.ssn - a.ssn)[0] ?? null;
    const begin = end.shape.number === 0 ? { offset: this.receiver.begin(), ssn: 1 } : null;
    const by = this.infinite ?? newest ?? begin;
    return by === null ? null : by.offset - by.ssn;
  }
}
