import { FATE_ALIVE } from "../fate.ts";
import { pageMemory } from "../page-memory.ts";
import type { PacketMemory } from "../pipeline-contract.ts";
import type { PacketVector } from "../vector.ts";
import { type Kernel, plainKernel, wasmKernel } from "./kernel.ts";

/**
 * Octets that a source reads at a time: half of them leaves room for the tables in most processors' second cache. At least
 * MIN_WINDOW_OCTETS of capture files.
 */
export const INPUT_OCTETS = 524_288;

/**
 * Memory that kernel.wat reaches. Its first part is a ring through which the payload of packets goes: of a whole vector at
 * once, which costs far less than packet by packet. Behind it is room for what others keep (`behind`), and for INPUT_OCTETS
 * that a source reads: a source whose packets are hardly anything but payload reads them into the ring itself, and nothing is
 * copied. It takes real memory only as it is used.
 */
export class OctetRing implements PacketMemory {
  /** The ring, from address 0, and what is behind it. */
  readonly octets: Buffer<ArrayBuffer>;
  /** The same for sources: as any vector's block no `Buffer`, whose `slice` copies nothing. */
  readonly block: Uint8Array<ArrayBuffer>;
  readonly inputOctets = INPUT_OCTETS;
  readonly kernel: Kernel;
  /** Octets of the ring, and so the address of what is behind it. */
  readonly size: number;
  /** Octets written since the beginning: the highest count that there ever was. What lies `size` below is gone. */
  reached = 0;
  /** Octets written since the beginning, those that were left out before the ring's end included. */
  private written = 0;
  /** The place, a count as `reached` is, at which octet 0 of the staged block would lie; and what of it is staged. */
  stagedAt = 0;
  private stagedAddress = 0;
  private staged: Uint8Array | null = null;
  /** `hasVector` was asked. */
  private isTried = false;
  private from = 0;
  private to = 0;
  /** Somebody keeps a place in what is staged. */
  private isUsed = false;
  /** The part of the ring that a source has: its place, and its addresses. None: both are 0. */
  private lentAt = 0;
  private lentFrom = 0;
  private lentTo = 0;
  /** The part behind the ring that a source has else. */
  private readonly inputAt: number;
  /** Octets since the beginning that somebody keeps a place of. */
  private kept = 0;
  /** `kept` and `written` when a source last asked for room. */
  private keptBefore = 0;
  private writtenBefore = 0;
  /** Octets written by then beyond twice those kept, in the worst stretch that ends there; at most the ring's. */
  private wasted = 0;

  /**
   * At least 64 KiB of ring take any packet's payload; a smaller one is for tests. One below 1 MiB is lent to no source; of
   * one that is, nobody may keep more than 256 KiB at once.
   */
  constructor(size: number, behind: number) {
    this.size = size;
    this.inputAt = size + behind;
    const memory = pageMemory(this.inputAt + INPUT_OCTETS);
    this.octets = Buffer.from(memory.buffer);
    this.block = new Uint8Array(memory.buffer);
    this.kernel = wasmKernel(memory) ?? plainKernel(this.octets);
  }

  /**
   * The address of the source's next INPUT_OCTETS, which are its own until it asks again. They are in the ring, unless that
   * was filled with octets that nobody keeps: in every stretch that ends here at least half of what was written is kept. So
   * of octets that a source reads, what was kept last is there, (size - 3 * INPUT_OCTETS) / 2 of it: the three are the window
   * in which the oldest of it lies, the one that is lent now, and what is left out before that at the ring's end. Nothing is
   * promised of octets from elsewhere, which may come in any number before a source asks.
   */
  nextInput(): number {
    // What was staged in vain counts as written neither in this stretch nor, as room that came back, in the next.
    this.unstage();
    const more = this.written - this.writtenBefore - 2 * (this.kept - this.keptBefore);
    this.wasted = Math.min(Math.max(this.wasted + more, 0), this.size);
    this.writtenBefore = this.written;
    this.keptBefore = this.kept;
    this.lentFrom = 0;
    this.lentTo = 0;
    if (this.wasted > 0 || !this.lends) return this.inputAt;
    this.lentAt = this.room(INPUT_OCTETS);
    this.lentFrom = this.lentAt % this.size;
    this.lentTo = this.lentFrom + INPUT_OCTETS;
    return this.lentFrom;
  }

  /** Begins a vector: its packets, or the octets of its block, are others. */
  clear(): void {
    this.isTried = false;
    this.unstage();
  }

  private unstage(): void {
    // What nobody asked for leaves its room.
    if (this.staged !== null && !this.isUsed && this.written === this.stagedAt + this.to) {
      this.written = this.stagedAt + this.from;
    }
    this.staged = null;
  }

  /**
   * Takes [from, to) of a block into the ring, where that is worth it: where at least half of it is `wanted`, and it is not
   * there already.
   */
  stage(block: Uint8Array, from: number, to: number, wanted: number): void {
    if (block === this.staged && from >= this.from && to <= this.to) return;
    this.unstage();
    // Nobody keeps octets in a ring that lends nothing, and those of its own memory have their address.
    if (this.isLent(block, from, to) || (block === this.block && !this.lends)) return;
    const room = this.lentTo === 0 ? this.size : (this.size - INPUT_OCTETS) / 2;
    if (wanted === 0 || wanted * 2 < to - from || to - from > room) return;
    this.stagedAt = this.write(block, from, to) - from;
    this.stagedAddress = ((this.stagedAt + from) % this.size) - from;
    this.staged = block;
    this.isUsed = false;
    this.from = from;
    this.to = to;
  }

  /**
   * Whether `addressOf` has [at, at + length) of a vector's block; at the first time all of its payload is staged, where that
   * is worth it.
   */
  hasVector(vector: PacketVector, at: number, length: number): boolean {
    if (vector.block === this.block) return true;
    if (!this.isTried) this.stageVector(vector);
    return this.has(vector.block, at, length);
  }

  private stageVector({ block, length, fate, payloadAt, payloadCaptured }: PacketVector): void {
    this.isTried = true;
    let from = 0xffffffff;
    let to = 0;
    let wanted = 0;
    for (let i = 0; i < length; i++) {
      const captured = payloadCaptured[i]!;
      if (captured === 0 || fate[i] !== FATE_ALIVE) continue;
      from = Math.min(from, payloadAt[i]!);
      to = Math.max(to, payloadAt[i]! + captured);
      wanted += captured;
    }
    this.stage(block, from, to, wanted);
  }

  /** Whether [at, at + length) of a block is staged. */
  has(block: Uint8Array, at: number, length: number): boolean {
    return block === this.staged && at >= this.from && at + length <= this.to;
  }

  /** The address of octets of a block: they are in this memory, or staged, or taken into the ring now. */
  addressOf(block: Uint8Array, at: number, length: number): number {
    if (block === this.block) return at;
    return this.has(block, at, length) ? this.stagedAddress + at : this.write(block, at, at + length) % this.size;
  }

  /** The place of octets of a block that are to be kept: they are in the ring, or taken into it now. */
  keep(block: Uint8Array, at: number, length: number): number {
    this.kept += length;
    const lent = this.lentAt - this.lentFrom + at;
    // Others may have gone round the ring meanwhile: then it is written anew.
    if (this.isLent(block, at, at + length) && this.isThere(lent)) return lent;
    if (!this.has(block, at, length)) return this.write(block, at, at + length);
    this.isUsed = true;
    return this.stagedAt + at;
  }

  /** Whether what was written at a place is still there. */
  isThere(place: number): boolean {
    return place >= this.reached - this.size;
  }

  /** Copies [from, to) of a block into the ring, where it does not wrap; returns its place. */
  write(block: Uint8Array, from: number, to: number): number {
    const place = this.room(to - from);
    this.octets.set(block.subarray(from, to), place % this.size);
    return place;
  }

  private get lends(): boolean {
    return this.size >= 2 * INPUT_OCTETS;
  }

  private isLent(block: Uint8Array, from: number, to: number): boolean {
    return block === this.block && from >= this.lentFrom && to <= this.lentTo;
  }

  /** The place of the next `length` octets, which do not wrap, and do not go over what a source has. */
  private room(length: number): number {
    const { size } = this;
    this.skipRest(length);
    const at = this.written % size;
    if (at < this.lentTo && at + length > this.lentFrom) {
      this.written += this.lentTo - at;
      this.skipRest(length);
    }
    const place = this.written;
    this.written += length;
    this.reached = Math.max(this.reached, this.written);
    // What is staged may have been written over.
    if (this.staged !== null && this.written - size > this.stagedAt + this.from) this.staged = null;
    return place;
  }

  /** Leaves the rest of the ring out that is too short for `length` octets. */
  private skipRest(length: number): void {
    const left = this.size - (this.written % this.size);
    if (left < length) this.written += left;
  }
}
