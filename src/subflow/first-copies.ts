import type { PacketVector } from "../vector.ts";
import { TCP_MIN_OCTETS } from "../wire/tcp.ts";

/** Octets kept of all first copies together; the oldest are written over. Memory is taken as it is used. */
const ARENA_OCTETS = 16 * 1024 * 1024;
/** Packets kept; a new one takes the place of the one that hashes to the same. */
const PLACES = 8192;
/** Per packet: two words of fingerprint, where its octets begin, octets of options << 16 | of payload. */
const PLACE_WORDS = 4;
const AGENT_MASK = 0x7ff;

/**
 * TCP options and payload of the first copies of packets whose subflow is copied twice, until their second copies come:
 * at most 16 MiB and 8,192 packets, the newest. What is gone when it is asked for is counted in `uncompared`.
 */
export class FirstCopies {
  /** Second copies with octets whose first ones were not kept any more. */
  uncompared = 0;
  /** What `find` found: where in `view` the options and the payload of the first copy begin, and where that ends. */
  view = new DataView(new ArrayBuffer(0));
  optionsAt = 0;
  payloadAt = 0;
  end = 0;
  /** Made when the first octets are kept: mostly no subflow is copied twice. */
  private arena = new Uint8Array(0);
  private places = new Float64Array(0);
  /** Octets written since the start. */
  private written = 0;

  /** Keeps the octets of packet i, whose fingerprint is `a` and the upper half of `b`. */
  keep(vector: PacketVector, i: number, a: number, b: number): void {
    if (this.places.length === 0) {
      this.arena = new Uint8Array(ARENA_OCTETS);
      this.view = new DataView(this.arena.buffer);
      this.places = new Float64Array(PLACES * PLACE_WORDS);
    }
    const from = vector.tcpAt[i]! + TCP_MIN_OCTETS;
    const options = vector.optionsEnd[i]! - from;
    const payload = Math.min(vector.payloadCaptured[i]!, 0xffff);
    const octets = options + payload;
    // Never across the arena's end.
    if ((this.written % ARENA_OCTETS) + octets > ARENA_OCTETS)
      this.written += ARENA_OCTETS - (this.written % ARENA_OCTETS);
    this.arena.set(vector.block.subarray(from, from + octets), this.written % ARENA_OCTETS);
    const at = (a % PLACES) * PLACE_WORDS;
    this.places[at] = a;
    this.places[at + 1] = fingerprint(b, vector.agent[i]! + 1);
    this.places[at + 2] = this.written;
    this.places[at + 3] = options * 0x10000 + payload;
    this.written += octets;
  }

  /** Finds the octets of the first copy of packet i, made by `agent` (+ 1). False, and counted, where they are gone. */
  find(vector: PacketVector, i: number, a: number, b: number, agent: number): boolean {
    const at = (a % PLACES) * PLACE_WORDS;
    const from = this.places[at + 2]!;
    const isKept = this.places[at] === a && this.places[at + 1] === fingerprint(b, agent);
    if (!isKept || this.written - from > ARENA_OCTETS) {
      if (vector.payloadCaptured[i] !== 0) this.uncompared++;
      return false;
    }
    const lengths = this.places[at + 3]!;
    this.optionsAt = from % ARENA_OCTETS;
    this.payloadAt = this.optionsAt + Math.floor(lengths / 0x10000);
    this.end = this.payloadAt + (lengths % 0x10000);
    return true;
  }
}

const fingerprint = (b: number, agent: number): number => ((b & ~0xffff) | (agent & AGENT_MASK)) >>> 0;
