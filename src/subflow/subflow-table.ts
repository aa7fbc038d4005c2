import { asFloats, cacheLineWords } from "../cache-lines.ts";
import type { TableUse } from "../pipeline-contract.ts";
import type { PacketVector } from "../vector.ts";
import { AskedJoins } from "./asked-joins.ts";
import { DoubtfulResets } from "./doubtful-resets.ts";
import { FlowIndex } from "./flow-index.ts";
import { type FlowKeys, KEY_WORDS } from "./flow-key.ts";
import { Rewritings } from "./rewritings.ts";
import { Timings } from "./round-trip.ts";
import { SeldomCounts } from "./seldom-counts.ts";
import { SubflowAgents } from "./subflow-agents.ts";
import { Translations } from "./translations.ts";
import { Unacknowledged } from "./unacknowledged.ts";
import type { WatchedDirection } from "./watched-direction.ts";

/**
 * A subflow is 256 octets in two typed arrays: `hot` (two cache lines, every packet) and `cold` (two, handshake
 * and record). Fields are word offsets from `subflow * HOT_WORDS` or `subflow * COLD_WORDS`. Times and octet counts are
 * float64 over two words. "Lower" and "higher" are the endpoints as the flow key orders them.
 */
export const HOT_WORDS = 32;
/** Flow key, KEY_WORDS - 1 words; its last word, the IP family, lies in STATE. */
export const KEY = 0;
/** STATE_ bits. */
export const STATE = 9;
/** Session + 1; 0 while the session stage has not said. */
export const SESSION = 10;
/** What the session stage keeps of a subflow (src/session/join-state.ts). */
export const JOIN = 11;
/** Float64: µs of the newest packet. */
export const LAST_MICROS = 12;
/** Float64, two of them: IP octets from the lower and from the higher endpoint. */
export const IP_OCTETS = 14;
/** Per direction, DIRECTION_WORDS each: the lower endpoint's, then the higher's. */
export const DIRECTION = 18;
export const DIRECTION_WORDS = 7;
/** Initial sequence number. */
export const ISN = 0;
/** Relative subflow sequence number after the highest octet seen. */
export const NEXT_SSN = 1;
/** The newest mapping: where it begins, payload octets it covers (0: there is none, INFINITE: no end), and its DSN. */
export const MAPPING_SSN = 2;
export const MAPPING_LENGTH = 3;
export const MAPPING_DSN_HI = 4;
export const MAPPING_DSN_LO = 5;
/** Packets of this direction. */
export const PACKETS = 6;

/** MAPPING_LENGTH of an infinite mapping (RFC 8684 §3.7), and the mask of any length. */
export const INFINITE = 0x7fffffff;
/** MAPPING_LENGTH: the mapping has a checksum, with which and with what sum so far says `SubflowTable.sums`. */
export const IS_CHECKED = 0x80000000;

/** Words of a direction in `SubflowTable.sums`: the checksum as it was stated and SUM_CUT; the sum of the octets so far. */
export const SUM_WORDS = 2;
export const SUM_STATED = 0;
export const SUM = 1;
/** A copy was cut before octets of the mapping. */
export const SUM_CUT = 1 << 16;

/** STATE_ bits. The flow key's addresses are IPv6. */
export const STATE_IPV6 = 1 << 0;
/** The opener of the TCP connection is the higher endpoint. */
export const STATE_OPENER_HIGHER = 1 << 1;
/** Per direction (shift by 0 or 1): the ISN is known, a FIN was seen, and how the newest mapping states its DSN. */
export const STATE_ISN = 1 << 2;
export const STATE_FIN = 1 << 4;
/** The mapping's DSN has 64 bits (else 32). */
export const STATE_DSN_64 = 1 << 8;
/** The mapping counts from IDSN: it came in a MP_CAPABLE. */
export const STATE_DSN_RELATIVE = 1 << 10;
/** The session is plain TCP: octets that no mapping covers are not held for one. */
export const STATE_PLAIN = 1 << 6;
/** What is in the hot line is not enough: `SubflowTable.watched` or `.timings` has more; the short way is not for it. */
export const STATE_WATCHED = 1 << 7;
export const STATE_RESET = 1 << 12;
/** RST came from the higher endpoint. */
export const STATE_RESET_BY_HIGHER = 1 << 13;
/** Another flow has taken the 4-tuple: no longer in the index. */
export const STATE_DETACHED = 1 << 14;
export const STATE_SYN_ACK = 1 << 15;
/** A SYN was repeated without its MPTCP option. */
export const STATE_SYN_RETRIED_PLAIN = 1 << 16;
/** The opening SYN was seen. */
export const STATE_SYN = 1 << 17;
/** Per direction (shift by 0 or 1): a SYN with another ISN came, and waits for its answer. */
export const STATE_PENDING = 1 << 18;
/** Second copies of its packets have come: octets of first ones are kept to be compared. */
export const STATE_COPIED_TWICE = 1 << 20;
/** From this bit up: the agent of the newest packet + 1. */
export const STATE_AGENT_SHIFT = 21;

/** Words of a subflow in `cold`. */
export const COLD_WORDS = 32;
/** Float64: µs of the first packet. */
export const START_MICROS = 0;
/** Next subflow of the session + 1. */
export const NEXT_SUBFLOW = 2;
/** ISN of a SYN that asked for the 4-tuple while this flow was open; STATE_PENDING says whether there is one. */
export const PENDING_ISN = 3;
/** Token of the MP_JOIN SYN. */
export const JOIN_TOKEN = 4;
/** Nonces of opener and listener. */
export const NONCE = 5;
/** Truncated HMAC of the SYN/ACK, kept for a session whose keys come later. */
export const SYN_ACK_HMAC = 7;
/** Three words of two agent numbers + 1 each: those who copied it (src/subflow/subflow-agents.ts). */
export const AGENTS = 9;
/** Second copies of packets, by whichever agent. */
export const DUPLICATES = 12;
/** Per direction, the lower endpoint's first: segments that repeated octets. */
export const RETRANSMITTED = 13;
/** Mappings given up while octets of them were missing. */
export const SHED_MAPPINGS = 15;
/** Float64, per direction: payload octets seen besides those up to NEXT_SSN; negative where some of these were not. */
export const OCTETS_BESIDE = 16;
/** Per direction: segments without a repeated octet that came after later ones. */
export const OUT_OF_ORDER = 20;
/** Per direction: payload octets no mapping covered; by `addOctets`. */
export const UNMAPPED = 22;
/** Mappings that gave an octet another DSN than the one announced first. */
export const CONTRADICTIONS = 24;
/** Keep-alives and window probes: at most an octet, just below those sent. */
export const KEEP_ALIVES = 25;
/** Per direction: octets that had come on another subflow of the session; by `addOctets`, in src/session/repeats.ts. */
export const REINJECTED = 26;
/** Per direction: µs from where it was copied to this end and back, the least and RFC 6298's smoothed one; 0: none. */
export const ROUND_TRIP_MIN = 28;
export const ROUND_TRIP_SMOOTHED = 30;

/** Adds octets to a word of a table; what would be 4 GiB or more stays just below, and never begins anew. */
export function addOctets(words: Uint32Array, at: number, octets: number): void {
  words[at] = Math.min(words[at]! + octets, 0xffffffff);
}

/** All subflows that are known. At its bound `allocate` refuses; the caller counts the packet as `table-full`. */
export class SubflowTable {
  readonly capacity: number;
  readonly hot: Uint32Array;
  /** The same octets as `hot`, as float64. */
  readonly hotFloat: Float64Array;
  readonly cold: Uint32Array;
  readonly coldFloat: Float64Array;
  /** SUM_WORDS for each direction, the lower endpoint's first: of newest mappings with a checksum. */
  readonly sums: Uint32Array;
  readonly index: FlowIndex;
  /** By subflow and direction: what the hot line has no room for. */
  readonly watched = new Map<number, [WatchedDirection | null, WatchedDirection | null]>();
  /** Watched subflows whose session has become plain TCP in this vector. */
  readonly turnedPlain: number[] = [];
  /** Round-trip times that are being measured. */
  readonly timings: Timings;
  readonly translations = new Translations();
  /** What was rewritten between two agents. */
  readonly rewritings = new Rewritings();
  readonly seldom = new SeldomCounts();
  /** By subflow * 2 + higher: the agent + 1 whose copy of a SYN had a right TCP checksum; 0 while there was none. */
  readonly summedBy: Uint16Array;
  /** RSTs that may be somebody else's. */
  readonly resets: DoubtfulResets;
  readonly agents: SubflowAgents;
  readonly answers: Unacknowledged;
  readonly askedJoins: AskedJoins;
  live = 0;
  /** Allocated since the start. */
  opened = 0;
  private used = 0;
  private readonly free: number[] = [];
  private readonly keys: FlowKeys;
  private readonly mostWatched: number;

  /**
   * @param mostWatched of further ones the newest mapping is all that is kept
   * @param mostTimed round-trip times measured at a time
   */
  constructor(capacity: number, mostWatched: number, mostTimed: number, keys: FlowKeys) {
    this.capacity = capacity;
    this.mostWatched = mostWatched;
    this.timings = new Timings(mostTimed);
    this.answers = new Unacknowledged(capacity);
    this.keys = keys;
    this.hot = cacheLineWords(capacity * HOT_WORDS);
    this.hotFloat = asFloats(this.hot);
    this.cold = cacheLineWords(capacity * COLD_WORDS);
    this.coldFloat = asFloats(this.cold);
    this.sums = cacheLineWords(capacity * 2 * SUM_WORDS);
    this.summedBy = new Uint16Array(capacity * 2);
    this.resets = new DoubtfulResets(this.hot, this.seldom.implausible);
    this.agents = new SubflowAgents(this.hot, this.cold);
    this.askedJoins = new AskedJoins(this.hot, this.cold);
    this.index = new FlowIndex((subflow, i) => this.hasKey(subflow, i));
  }

  /** Subflows of which more is kept than the newest mapping. */
  get watchedUse(): TableUse {
    return { used: this.watched.size, bound: this.mostWatched };
  }

  /** Whether a subflow has the flow key of packet `i`. */
  hasKey(subflow: number, i: number): boolean {
    const { hot } = this;
    const { words } = this.keys;
    const a = subflow * HOT_WORDS;
    const b = i * KEY_WORDS;
    if (hot[a] !== words[b] || hot[a + 4] !== words[b + 4] || hot[a + 8] !== words[b + 8]) return false;
    const isIpv6 = words[b + 9] === 6;
    if (((hot[a + STATE]! & STATE_IPV6) !== 0) !== isIpv6) return false;
    return !isIpv6 || this.hasIpv6Key(a, b);
  }

  private hasIpv6Key(a: number, b: number): boolean {
    const { hot } = this;
    const { words } = this.keys;
    for (let word = 1; word < 8; word++) if (hot[a + word] !== words[b + word]) return false;
    return true;
  }

  /** Makes a subflow with the flow key of packet `i`, all else zero, and puts it into the index; -1 when the table is full. */
  allocate(keys: FlowKeys, i: number, atMicros: number): number {
    const subflow = this.free.pop() ?? (this.used < this.capacity ? this.used++ : -1);
    if (subflow < 0) return -1;
    const base = subflow * HOT_WORDS;
    const cold = subflow * COLD_WORDS;
    this.hot.fill(0, base, base + HOT_WORDS);
    this.cold.fill(0, cold, cold + COLD_WORDS);
    this.summedBy.fill(0, subflow * 2, subflow * 2 + 2);
    for (let word = 0; word < KEY_WORDS - 1; word++) this.hot[base + KEY + word] = keys.words[i * KEY_WORDS + word]!;
    this.hot[base + STATE] = keys.words[i * KEY_WORDS + 9] === 6 ? STATE_IPV6 : 0;
    this.hotFloat[(base + LAST_MICROS) >> 1] = atMicros;
    this.coldFloat[(cold + START_MICROS) >> 1] = atMicros;
    this.index.insert(keys.hash[i]!, subflow);
    this.live++;
    this.opened++;
    return subflow;
  }

  /** Puts a subflow that was taken out of the index in again. */
  attach(subflow: number): void {
    const base = subflow * HOT_WORDS;
    this.hot[base + STATE]! &= ~STATE_DETACHED;
    const isIpv4 = (this.hot[base + STATE]! & STATE_IPV6) === 0;
    this.index.insert(this.keys.hashOf(this.hot, base + KEY, isIpv4), subflow);
  }

  /** Takes a subflow out of the index, because its 4-tuple is another flow's now; its record stays. */
  detach(subflow: number): void {
    const base = subflow * HOT_WORDS;
    if (this.hot[base + STATE]! & STATE_DETACHED) return;
    const isIpv4 = (this.hot[base + STATE]! & STATE_IPV6) === 0;
    this.index.remove(this.keys.hashOf(this.hot, base + KEY, isIpv4), subflow);
    this.hot[base + STATE]! |= STATE_DETACHED;
  }

  /** Gives a subflow's place back, and those of the flows as which it was seen elsewhere. */
  release(subflow: number): void {
    if (!this.translations.isEmpty) {
      for (const flow of this.translations.flowsOf(subflow)) this.release(flow);
      this.translations.remove(subflow);
    }
    this.detach(subflow);
    // Later events of the vector under way may still name it.
    this.hot[subflow * HOT_WORDS + SESSION] = 0;
    this.watched.delete(subflow);
    this.timings.stop(subflow);
    this.answers.forget(subflow);
    this.askedJoins.forget(subflow);
    this.seldom.forget(subflow);
    this.resets.forget(subflow);
    this.rewritings.release(subflow);
    this.agents.release(subflow);
    this.free.push(subflow);
    this.live--;
  }

  /** Measures the round-trip time of packet i, of a subflow's higher endpoint or not, up to `end`. */
  time(subflow: number, higher: number, end: number, vector: PacketVector, i: number): void {
    this.noteTimed(subflow, this.timings.begin(subflow, higher, end, vector, i));
  }

  /** Measures the round-trip time of a subflow's next data. */
  timeNext(subflow: number): void {
    this.noteTimed(subflow, this.timings.awaitData(subflow));
  }

  private noteTimed(subflow: number, displaced: number): void {
    if (displaced >= 0) this.leave(displaced);
    this.hot[subflow * HOT_WORDS + STATE]! |= STATE_WATCHED;
  }

  /** Ends the measurement under way on a subflow, if any. */
  stopTiming(subflow: number): void {
    this.timings.stop(subflow);
    this.leave(subflow);
  }

  /** Leaves a subflow to its hot line again, where that is enough. */
  private leave(subflow: number): void {
    if (this.watched.has(subflow) || this.timings.find(subflow) >= 0) return;
    this.hot[subflow * HOT_WORDS + STATE]! &= ~STATE_WATCHED;
  }

  /** Says that a subflow's session is plain TCP from now on. */
  setPlain(subflow: number): void {
    this.hot[subflow * HOT_WORDS + STATE]! |= STATE_PLAIN;
    if (this.watched.has(subflow)) this.turnedPlain.push(subflow);
  }

  /** The watched directions of a subflow, to which its owner adds; null at the bound. */
  watch(subflow: number): [WatchedDirection | null, WatchedDirection | null] | null {
    const known = this.watched.get(subflow);
    if (known !== undefined || this.watched.size >= this.mostWatched) return known ?? null;
    const directions: [null, null] = [null, null];
    this.watched.set(subflow, directions);
    this.hot[subflow * HOT_WORDS + STATE]! |= STATE_WATCHED;
    return directions;
  }

  /** Leaves a direction to its hot line again. */
  unwatch(subflow: number, higher: number): void {
    const directions = this.watched.get(subflow);
    if (directions === undefined) return;
    directions[higher] = null;
    if (directions[1 - higher] !== null) return;
    this.watched.delete(subflow);
    this.leave(subflow);
  }

  /** Where the fields of a direction begin in `hot`: 0 the lower endpoint's, 1 the higher's. */
  static direction(subflow: number, higher: number): number {
    return subflow * HOT_WORDS + DIRECTION + higher * DIRECTION_WORDS;
  }
}
