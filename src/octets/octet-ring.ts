import { FATE_ALIVE } from "../fate.ts";
import type { PacketVector } from "../vector.ts";
import { type Kernel, plainKernel, wasmKernel } from "./kernel.ts";

const PAGE_OCTETS = 65_536;

/** The one part of the platform's WebAssembly that is used; its types come with a browser's library only. */
declare const WebAssembly: {
  readonly Memory: new (pages: {
    readonly initial: number;
    readonly maximum: number;
  }) => { readonly buffer: ArrayBuffer };
};

/**
 * Memory that kernel.wat reaches. Its first part is a ring through which the payload of packets goes: of a whole vector at
 * once, which costs far less than packet by packet. Behind it is room for what others keep (`behind`). It takes real memory
 * only as it is used.
 */
export class OctetRing {
  /** The ring, from address 0, and what is behind it. */
  readonly octets: Buffer<ArrayBuffer>;
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
  private block: Uint8Array | null = null;
  /** `hasVector` was asked. */
  private isTried = false;
  private from = 0;
  private to = 0;
  /** Said by whoever keeps a place in what is staged. */
  isUsed = false;

  /** At least 64 KiB of ring take any packet's payload; a smaller one is for tests. */
  constructor(size: number, behind: number) {
    this.size = size;
    const pages = Math.max(Math.ceil((size + behind) / PAGE_OCTETS), 1);
    let kernel: Kernel | null = null;
    let buffer: ArrayBuffer;
    try {
      const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
      buffer = memory.buffer;
      kernel = wasmKernel(memory);
    } catch {
      // No WebAssembly, or no address space for its guard pages: slower, and right all the same.
      buffer = new ArrayBuffer(pages * PAGE_OCTETS);
    }
    this.octets = Buffer.from(buffer);
    this.kernel = kernel ?? plainKernel(this.octets);
  }

  /** Begins a vector: its packets, or the octets of its block, are others. */
  clear(): void {
    this.isTried = false;
    this.unstage();
  }

  private unstage(): void {
    // What nobody asked for leaves its room.
    if (this.block !== null && !this.isUsed && this.written === this.stagedAt + this.to) {
      this.written = this.stagedAt + this.from;
    }
    this.block = null;
  }

  /**
   * Takes [from, to) of a block into the ring, where that is worth it: where at least half of it is `wanted`, and it is not
   * there already.
   */
  stage(block: Uint8Array, from: number, to: number, wanted: number): void {
    if (block === this.block && from >= this.from && to <= this.to) return;
    this.unstage();
    if (wanted === 0 || wanted * 2 < to - from || to - from > this.size) return;
    this.stagedAt = this.write(block, from, to) - from;
    this.stagedAddress = ((this.stagedAt + from) % this.size) - from;
    this.block = block;
    this.isUsed = false;
    this.from = from;
    this.to = to;
  }

  /** Whether [at, at + length) of a vector's block is staged; at the first time all of its payload is, where that is worth it. */
  hasVector(vector: PacketVector, at: number, length: number): boolean {
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
    return block === this.block && at >= this.from && at + length <= this.to;
  }

  /** The address of octets of a block: they are staged, or taken into the ring now. */
  addressOf(block: Uint8Array, at: number, length: number): number {
    return this.has(block, at, length) ? this.stagedAddress + at : this.write(block, at, at + length) % this.size;
  }

  /** Whether what was written at a place is still there. */
  isThere(place: number): boolean {
    return place >= this.reached - this.size;
  }

  /** Copies [from, to) of a block into the ring, where it does not wrap; returns its place. */
  write(block: Uint8Array, from: number, to: number): number {
    const { size } = this;
    const length = to - from;
    const left = size - (this.written % size);
    if (left < length) this.written += left;
    const place = this.written;
    this.octets.set(block.subarray(from, to), place % size);
    this.written += length;
    this.reached = Math.max(this.reached, this.written);
    // What is staged may have been written over.
    if (this.block !== null && this.written - size > this.stagedAt + this.from) this.block = null;
    return place;
  }
}
