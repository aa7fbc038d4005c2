import { createHash, type Hash } from "node:crypto";

/** What a held piece takes besides its octets, in a map and as an object. */
const PIECE_OCTETS = 256;
/** Octets held out of order, over all streams, PIECE_OCTETS for each piece included; a stream that would hold more gives its digest up. */
const MAX_HELD_OCTETS = 256 * 1024 * 1024;

/** What all streams of one pipeline hold together. */
export class HeldOctets {
  octets = 0;

  /** Reserves room; false when the bound is met. */
  reserve(octets: number): boolean {
    if (this.octets + octets > MAX_HELD_OCTETS) return false;
    this.octets += octets;
    return true;
  }

  /** Gives room back. */
  free(octets: number): void {
    this.octets -= octets;
  }
}

/**
 * SHA-256 over a stream's octets from its first up to its first hole. In-order octets are hashed where they lie, others
 * are copied and held until what is missing before them has come.
 */
export class StreamDigest {
  /** True when the bound on held octets was met: there is no digest any more. */
  shed = false;
  private next = 0;
  private readonly hash: Hash = createHash("sha256");
  private readonly held = new Map<number, Uint8Array>();
  private readonly room: HeldOctets;

  constructor(room: HeldOctets) {
    this.room = room;
  }

  /** Takes octets that were not there before, in any order. */
  add(offset: number, octets: Uint8Array): void {
    if (this.shed) return;
    if (offset !== this.next) {
      if (this.room.reserve(octets.length + PIECE_OCTETS)) this.held.set(offset, new Uint8Array(octets));
      else this.giveUp();
      return;
    }
    this.hash.update(octets);
    this.next += octets.length;
    for (let found = this.held.get(this.next); found !== undefined; found = this.held.get(this.next)) {
      this.held.delete(this.next);
      this.room.free(found.length + PIECE_OCTETS);
      this.hash.update(found);
      this.next += found.length;
    }
  }

  /** The digest so far in hexadecimal, or null when it was given up. */
  hex(): string | null {
    return this.shed ? null : this.hash.copy().digest("hex");
  }

  /** Gives back what is held; call once when the stream is over. */
  release(): void {
    for (const octets of this.held.values()) this.room.free(octets.length + PIECE_OCTETS);
    this.held.clear();
  }

  private giveUp(): void {
    this.release();
    this.shed = true;
  }
}
