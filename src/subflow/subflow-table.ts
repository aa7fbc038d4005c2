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
import {
  COLD_WORDS,
  HOT_WORDS,
  KEY,
  LAST_MICROS,
  SESSION,
  START_MICROS,
  STATE,
  STATE_DETACHED,
  STATE_IPV6,
  STATE_PLAIN,
  STATE_WATCHED,
  SUM_WORDS,
} from "./subflow-row.ts";
import { Translations } from "./translations.ts";
import { Unacknowledged } from "./unacknowledged.ts";
import type { WatchedDirection } from "./watched-direction.ts";

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
}
