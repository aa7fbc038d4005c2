import { FlowKeys, KEY_WORDS } from "../subflow/flow-key.ts";
import { type PacketVector, VECTOR_LENGTH } from "../vector.ts";

/** One flow is one slot of 64 octets, a cache line: sixteen 32-bit words. */
export const SLOT_WORDS = 16;
/** Hash of the key with bit 0 set; 0 in an empty slot. */
export const TAG = 0;
/** The flow key without its last word, the IP family, which is in STATE. */
export const KEY = 1;
export const STORED_WORDS = KEY_WORDS - 1;
/** Sequence number of the SYN that opened the flow, where that was seen. */
export const ISN = 10;
export const STATE = 11;
/** The packet time that held at the latest packet, microseconds: a float64 over words 12 and 13. */
export const LATEST = 12;
/** What names the flow's session, once STATE_NAMED is set. */
export const SESSION = 14;

export const STATE_IPV6 = 1;
export const STATE_FIN_LOWER = 2;
export const STATE_FIN_UPPER = 4;
export const STATE_CLOSING = 8;
export const STATE_ISN_KNOWN = 16;
export const STATE_NAMED = 32;
export const STATE_LEFT_OUT = 64;
/** A packet behind the SYNs was read for tokens: the third ACK, which has both keys. */
export const STATE_READ = 128;

/** A hash table of flows, with open addressing. Its owner sees to it that there is room, and to what stands in STATE and behind. */
export class FlowSlots {
  /** The flow keys of the vector under way. */
  readonly keys: FlowKeys;
  readonly words: Uint32Array;
  /** The same octets as `words`, as float64. */
  readonly times: Float64Array;
  /** Slots minus one; slots are a power of two and at least twice the most flows, so probes stay short. */
  readonly mask: number;
  /** Slots that are taken. */
  live = 0;

  /**
   * @param most flows at a time
   * @param seed any 32-bit number that senders of traffic cannot know
   */
  constructor(most: number, seed: number) {
    this.keys = new FlowKeys(seed);
    const slots = 2 ** Math.ceil(Math.log2(Math.max(most, VECTOR_LENGTH) * 2));
    const buffer = new ArrayBuffer(slots * SLOT_WORDS * 4);
    this.words = new Uint32Array(buffer);
    this.times = new Float64Array(buffer);
    this.mask = slots - 1;
  }

  /** Word where the slot of packet i's flow begins, -1 when it has none. */
  find(vector: PacketVector, i: number): number {
    const { words, mask } = this;
    const hash = this.keys.hash[i] ?? 0;
    const tag = (hash | 1) >>> 0;
    for (let slot = (hash >>> 1) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * SLOT_WORDS;
      const found = words[at + TAG];
      if (found === 0) return -1;
      if (found === tag && this.same(at, vector, i)) return at;
    }
  }

  private same(at: number, vector: PacketVector, i: number): boolean {
    const { words } = this;
    const ipv6 = vector.family[i] === 6 ? STATE_IPV6 : 0;
    if (((words[at + STATE] ?? 0) & STATE_IPV6) !== ipv6) return false;
    const key = i * KEY_WORDS;
    for (let k = 0; k < STORED_WORDS; k++) if (words[at + KEY + k] !== this.keys.words[key + k]) return false;
    return true;
  }

  /** Gives packet i's flow a slot, all else in it zero, and returns the word where it begins. There must be room. */
  insert(vector: PacketVector, i: number): number {
    const { words, mask } = this;
    const hash = this.keys.hash[i] ?? 0;
    let slot = (hash >>> 1) & mask;
    while (words[slot * SLOT_WORDS + TAG] !== 0) slot = (slot + 1) & mask;
    const at = slot * SLOT_WORDS;
    words[at + TAG] = hash | 1;
    for (let k = 0; k < STORED_WORDS; k++) words[at + KEY + k] = this.keys.words[i * KEY_WORDS + k] ?? 0;
    words[at + STATE] = vector.family[i] === 6 ? STATE_IPV6 : 0;
    this.times[(at + LATEST) >>> 1] = 0;
    this.live++;
    return at;
  }

  /** Empties a slot, and moves the flows behind it up so that no probe meets a gap before its flow. */
  remove(slot: number): void {
    const { words, mask } = this;
    let gap = slot;
    for (let next = (gap + 1) & mask; words[next * SLOT_WORDS + TAG] !== 0; next = (next + 1) & mask) {
      const home = ((words[next * SLOT_WORDS + TAG] ?? 0) >>> 1) & mask;
      if (((next - home) & mask) < ((next - gap) & mask)) continue;
      words.copyWithin(gap * SLOT_WORDS, next * SLOT_WORDS, (next + 1) * SLOT_WORDS);
      gap = next;
    }
    words.fill(0, gap * SLOT_WORDS, (gap + 1) * SLOT_WORDS);
    this.live--;
  }
}
