import { PacketVector, VECTOR_LENGTH } from "../../../src/vector.ts";
import { nowMicros } from "../../runtime/clock.ts";

/** Takes a vector of packets and leaves its block alone when it returns. */
export type TakeVector = (vector: PacketVector) => void;

/** A datagram has at most 65,535 octets, its headers included; the rest is room for headers that are made here. */
const LARGEST_PACKET = 65_535 + 64;
const BLOCK_OCTETS = VECTOR_LENGTH * 8192;

/**
 * Gathers datagrams into a vector: the vector is handed over when it is full (or its block is), and at the latest when
 * the event loop has read what the socket had. Bound: one block of 512 KiB, reused; nothing is shed here.
 */
export class Arrivals {
  packets = 0;
  octets = 0;
  private readonly take: TakeVector;
  private readonly source: number;
  private readonly vector = new PacketVector();
  private readonly block = new Uint8Array(Math.max(BLOCK_OCTETS, LARGEST_PACKET));
  private end = 0;
  private scheduled = false;
  private readonly flushLater = () => {
    this.scheduled = false;
    this.flush();
  };

  /** `source` is the number that the pipeline gave to this input. */
  constructor(take: TakeVector, source: number) {
    this.take = take;
    this.source = source;
    this.vector.use(this.block);
  }

  /**
   * Copies a datagram behind `header` (an IP header, and what else the socket did not deliver), as if the whole had
   * been captured. Both are the caller's again when this returns.
   */
  add(header: Uint8Array, datagram: Uint8Array, linkType: number): void {
    const length = header.length + datagram.length;
    if (this.end + length > this.block.length) this.flush();
    const at = this.end;
    this.block.set(header, at);
    this.block.set(datagram, at + header.length);
    this.end = at + length;
    this.vector.add(at, length, length, nowMicros(), linkType, this.source);
    this.packets += 1;
    this.octets += length;
    if (this.vector.full) {
      this.flush();
    } else if (!this.scheduled) {
      this.scheduled = true;
      setImmediate(this.flushLater);
    }
  }

  /** Hands over what has been gathered. */
  flush(): void {
    if (this.vector.length > 0) this.take(this.vector);
    this.vector.clear();
    this.end = 0;
  }
}
