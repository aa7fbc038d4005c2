import type { Mapping } from "./network.ts";
import type { SubflowEnd } from "./subflow-end.ts";

/** Payload that came before the mapping that places it. */
interface Waiting {
  readonly end: SubflowEnd;
  readonly ssn: number;
  readonly payload: Uint8Array;
}

/** Whether the checksum of a mapping that has come whole is right; acts if not. */
type MayTake = (end: SubflowEnd, mapping: Mapping, octets: Uint8Array) => boolean;

/** What a host has of its peer's stream, put together from what its subflows bring. */
export class Reception {
  private readonly stream: Uint8Array;
  private readonly isTampered: boolean;
  private readonly got: Uint8Array;
  private reached = 0;
  private hasFin = false;
  private readonly mappings = new Map<SubflowEnd, Mapping[]>();
  private waiting: Waiting[] = [];
  private readonly isChecked: boolean;
  private readonly mayTake: MayTake;
  /** Mappings whose checksums were judged. */
  private readonly judged = new Set<Mapping>();

  /**
   * @param stream what the peer sends, and what comes must be @param isTampered unless somebody changes it
   * @param isChecked whether octets are taken only when their mapping is whole, and `mayTake` says so
   */
  constructor(stream: Uint8Array, isTampered: boolean, isChecked: boolean, mayTake: MayTake) {
    this.stream = stream;
    this.isTampered = isTampered;
    this.isChecked = isChecked;
    this.mayTake = mayTake;
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

  /** Takes payload at this place of a subflow. */
  take(end: SubflowEnd, ssn: number, payload: Uint8Array): void {
    this.waiting.push({ end, ssn, payload });
    this.takeWaiting(end);
  }

  /** Takes octets at this place of the stream. */
  place(offset: number, payload: Uint8Array): void {
    const sent = this.stream.subarray(offset, offset + payload.length);
    if (!this.isTampered && Buffer.compare(payload, sent) !== 0) {
      throw new Error(`the simulator delivers wrong octets at ${offset}`);
    }
    this.got.fill(1, offset, offset + payload.length);
    while (this.got[this.reached] === 1) this.reached++;
  }

  private takeWaiting(end: SubflowEnd): void {
    if (this.isChecked) for (const mapping of this.mappings.get(end) ?? []) this.takeWhole(end, mapping);
    else this.placeWaiting();
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
    if (!this.mayTake(end, mapping, octets)) return;
    this.place(mapping.offset, octets);
    if (mapping.fin) this.hasFin = true;
  }

  private placeWaiting(): void {
    this.waiting = this.waiting.filter((one) => !this.isPlaced(one));
  }

  private isPlaced({ end, ssn, payload }: Waiting): boolean {
    let left = payload.length;
    for (const mapping of this.mappings.get(end) ?? []) {
      const from = Math.max(ssn, mapping.ssn);
      const to = Math.min(ssn + payload.length, mapping.ssn + mapping.length);
      if (from >= to) continue;
      this.place(mapping.offset + from - mapping.ssn, payload.subarray(from - ssn, to - ssn));
      left -= to - from;
    }
    return left <= 0;
  }
}
