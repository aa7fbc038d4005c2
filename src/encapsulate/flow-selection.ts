import { FATE_ALIVE } from "../fate.ts";
import { PacketClock } from "../packet-clock.ts";
import { type FlowKeys, KEY_WORDS } from "../subflow/flow-key.ts";
import { type PacketVector, VECTOR_LENGTH } from "../vector.ts";
import { ACK, FIN, RST, SYN } from "../wire/tcp.ts";
import { type Exclusions, isExcluded, NO_EXCLUSIONS } from "./exclusions.ts";
import type { FlowSieve } from "./flow-sieve.ts";
import {
  FlowSlots,
  ISN,
  KEY,
  LATEST,
  SESSION,
  SLOT_WORDS,
  STATE,
  STATE_CLOSING,
  STATE_FIN_LOWER,
  STATE_FIN_UPPER,
  STATE_IPV6,
  STATE_ISN_KNOWN,
  STATE_LEFT_OUT,
  STATE_NAMED,
  STATE_READ,
  STORED_WORDS,
  TAG,
} from "./flow-slots.ts";
import { isSampled, mixed } from "./session-hash.ts";
import { NO_TOKEN, OPENS_SESSION, type SessionTokens } from "./session-tokens.ts";

const BOTH_FINS = STATE_FIN_LOWER | STATE_FIN_UPPER;

/** Slots looked at per vector for flows that have ended: a few hundred octets of memory traffic per packet at most. */
const SWEPT_PER_VECTOR = 32;
/** Slots looked at for the flow to evict when the table is full. */
const EVICTION_WINDOW = 64;

/** How much is selected at a time, and for how long. */
export interface FlowSelectionOptions {
  /** Most flows selected at a time, 1 to 2^20. When it is met, the longest idle of some 32 flows is evicted and counted. */
  readonly maxFlows: number;
  /** A flow without packets for so long has ended, milliseconds of packet time. */
  readonly idleMs: number;
  /** The same after FINs of both ends or a RST: late retransmissions and last acknowledgments are still copied. */
  readonly lingerMs: number;
  /** Any 32-bit number that senders of traffic cannot know. */
  readonly seed: number;
  /** Flows that are never selected. */
  readonly exclusions?: Exclusions;
  /** Is told which flows are selected; absent where nobody asks. */
  readonly sieve?: FlowSieve;
  /** Tells flows' sessions; absent where nobody asks, and all are copied. */
  readonly tokens?: SessionTokens;
}

/**
 * Selects whole MPTCP flows. A flow is selected from its first packet with an MPTCP option (TCP option kind 30, RFC 8684
 * §3), both directions, until it ends: FINs of both ends or a RST and then `lingerMs` without a packet, or `idleMs`
 * without one, or a SYN without the option that opens another connection on the same addresses and ports. Packets
 * without an option belong to it too (bare RSTs, everything after a fallback).
 *
 * Where it has `tokens`, each flow is given to a session, once and for all of its time, by the first packet behind its SYN:
 * by a token where that packet tells one, else (behind a restart of the agent, or without MP_CAPABLE in the answer) by its
 * addresses and ports, which is the same for every agent but behind a NAT. A flow of a session that is not sampled is left out
 * whole. A SYN that opens a session says no token yet: it is selected in any case.
 *
 * Works on the columns that `decapsulate` leaves; packets with a fate other than alive are never selected.
 */
export class FlowSelection {
  /** By `select`: 1 where packet i is to be copied. */
  readonly selected = new Uint8Array(VECTOR_LENGTH);
  /** By `select`, where it has `tokens`: what names the session of packet i, in every agent the same. */
  readonly session = new Uint32Array(VECTOR_LENGTH);
  /** By `select`: 1 where `session` holds; 0 for a SYN that opens a session. */
  readonly isNamed = new Uint8Array(VECTOR_LENGTH);
  /** Share of sessions that are sampled, 0 to 1; a change holds for flows that are selected from then on. */
  share = 1;
  /** Flows that were left out, since their sessions are not sampled. */
  leftOut = 0;
  /** Flows selected since the start; one that was evicted and selected again counts twice. */
  opened = 0;
  /** Flows that were evicted because the table was full. Their next packet with an option selects them again. */
  evicted = 0;

  private readonly maxFlows: number;
  private readonly idleMicros: number;
  private readonly lingerMicros: number;
  private readonly slots: FlowSlots;
  private readonly keys: FlowKeys;
  private readonly words: Uint32Array;
  private readonly times: Float64Array;
  private readonly sieve: FlowSieve | null;
  private readonly tokens: SessionTokens | null;
  private exclusions: Exclusions;
  private readonly touched = new Uint32Array(VECTOR_LENGTH);
  private readonly clock = new PacketClock();
  private hand = 0;

  constructor(options: FlowSelectionOptions) {
    this.maxFlows = options.maxFlows;
    this.idleMicros = options.idleMs * 1000;
    this.lingerMicros = options.lingerMs * 1000;
    this.slots = new FlowSlots(options.maxFlows, options.seed);
    this.keys = this.slots.keys;
    this.words = this.slots.words;
    this.times = this.slots.times;
    this.sieve = options.sieve ?? null;
    this.tokens = options.tokens ?? null;
    this.exclusions = options.exclusions ?? NO_EXCLUSIONS;
  }

  /** Flows selected now, and those left out of which packets still come. */
  get live(): number {
    return this.slots.live;
  }

  /** Fills `selected` for the packets of the vector and returns how many of them are to be copied. */
  select(vector: PacketVector): number {
    const { keys, words, touched } = this;
    const { mask } = this.slots;
    keys.read(vector, 0, vector.length);
    for (let i = 0; i < vector.length; i++) {
      if (vector.fate[i] !== FATE_ALIVE) continue;
      // Loading the home slots back to back lets their cache misses overlap.
      touched[i] = words[(((keys.hash[i] ?? 0) >>> 1) & mask) * SLOT_WORDS] ?? 0;
    }
    let count = 0;
    for (let i = 0; i < vector.length; i++) {
      const chosen = vector.fate[i] === FATE_ALIVE ? this.decide(vector, i) : 0;
      this.selected[i] = chosen;
      count += chosen;
    }
    this.sweep();
    return count;
  }

  /** Sets what is never selected from now on; flows that are and should not be are let go. */
  exclude(exclusions: Exclusions): void {
    this.exclusions = exclusions;
    const { words } = this;
    const { mask } = this.slots;
    for (let slot = 0; slot <= mask; slot++) {
      const at = slot * SLOT_WORDS;
      // A removal moves another flow into the slot.
      while (words[at + TAG] !== 0 && isExcluded(exclusions, this.familyAt(at), words, at + KEY)) this.remove(slot);
    }
  }

  private familyAt(at: number): 4 | 6 {
    return ((this.words[at + STATE] ?? 0) & STATE_IPV6) === 0 ? 4 : 6;
  }

  /** 1 when packet i belongs to a selected flow or opens one. */
  private decide(vector: PacketVector, i: number): 0 | 1 {
    const { words } = this;
    const now = this.clock.read(vector.atMicros[i] ?? 0);
    const flags = vector.flags[i] ?? 0;
    const seq = vector.seq[i] ?? 0;
    const option = vector.mptcpAt[i] !== 0;
    const opens = (flags & (SYN | ACK)) === SYN;

    let at = this.slots.find(vector, i);
    if (at >= 0 && this.ended(at)) {
      this.remove(at / SLOT_WORDS);
      at = -1;
    }
    if (at >= 0 && opens && !this.openedBy(at, seq)) {
      if (!option) {
        this.remove(at / SLOT_WORDS);
        return 0;
      }
      if (this.isLeftOut(at)) this.sieve?.add(words, at + KEY);
      words[at + STATE] = (words[at + STATE] ?? 0) & STATE_IPV6;
    }
    if (at < 0) {
      if (!option || isExcluded(this.exclusions, vector.family[i] ?? 4, this.keys.words, i * KEY_WORDS)) return 0;
      at = this.insert(vector, i);
    }
    if (this.tokens !== null) this.name(vector, i, at, this.tokens);
    let state = words[at + STATE] ?? 0;
    if (opens) {
      words[at + ISN] = seq;
      state |= STATE_ISN_KNOWN;
    }
    if ((flags & FIN) !== 0) state |= this.keys.fromHigher[i] === 0 ? STATE_FIN_LOWER : STATE_FIN_UPPER;
    if ((flags & RST) !== 0 || (state & BOTH_FINS) === BOTH_FINS) state |= STATE_CLOSING;
    words[at + STATE] = state;
    this.times[(at + LATEST) >>> 1] = now;
    return (state & STATE_LEFT_OUT) === 0 ? 1 : 0;
  }

  /** Gives the flow at `at` to its session if it has none yet, and tells packet i's. */
  private name(vector: PacketVector, i: number, at: number, tokens: SessionTokens): void {
    const { words } = this;
    let state = words[at + STATE] ?? 0;
    const isBehindSyn = ((vector.flags[i] ?? 0) & SYN) === 0;
    if ((state & STATE_NAMED) === 0 || (isBehindSyn && (state & STATE_READ) === 0)) {
      const token = tokens.read(vector, i);
      if (isBehindSyn) state |= STATE_READ;
      if (token === OPENS_SESSION) {
        this.isNamed[i] = 0;
        return;
      }
      if ((state & STATE_NAMED) === 0) {
        state |= STATE_NAMED;
        const session = token === NO_TOKEN ? this.addressHash(at) : token;
        words[at + SESSION] = session;
        if (!isSampled(session, this.share)) {
          state |= STATE_LEFT_OUT;
          this.leftOut++;
          this.sieve?.remove(words, at + KEY);
        }
      }
      words[at + STATE] = state;
    }
    this.session[i] = words[at + SESSION] ?? 0;
    this.isNamed[i] = 1;
  }

  private addressHash(at: number): number {
    let hash = 0;
    for (let k = 0; k < STORED_WORDS; k++) hash = mixed(hash ^ (this.words[at + KEY + k] ?? 0));
    return hash;
  }

  private isLeftOut(at: number): boolean {
    return ((this.words[at + STATE] ?? 0) & STATE_LEFT_OUT) !== 0;
  }

  /**
   * True when the flow's SYN had this sequence number. Linux drops the option from a SYN it repeats for the third time:
   * that is still the same connection, and what became of it matters.
   */
  private openedBy(at: number, seq: number): boolean {
    return ((this.words[at + STATE] ?? 0) & STATE_ISN_KNOWN) !== 0 && this.words[at + ISN] === seq;
  }

  private ended(at: number): boolean {
    const { clock } = this;
    const closing = ((this.words[at + STATE] ?? 0) & STATE_CLOSING) !== 0;
    const quiet = clock.now - clock.since(this.times[(at + LATEST) >>> 1] ?? 0);
    return quiet > (closing ? this.lingerMicros : this.idleMicros);
  }

  /** Selects packet i's flow and returns the word where its slot begins. */
  private insert(vector: PacketVector, i: number): number {
    if (this.live >= this.maxFlows) this.evict();
    const at = this.slots.insert(vector, i);
    this.sieve?.add(this.words, at + KEY);
    this.opened++;
    return at;
  }

  /** Lets go of the flow in a slot; another one may move there. */
  private remove(slot: number): void {
    if (!this.isLeftOut(slot * SLOT_WORDS)) this.sieve?.remove(this.words, slot * SLOT_WORDS + KEY);
    this.slots.remove(slot);
  }

  /** Takes flows that have ended out of the next few slots. */
  private sweep(): void {
    const { words } = this;
    const { mask } = this.slots;
    for (let k = 0; k < SWEPT_PER_VECTOR; k++) {
      const at = this.hand * SLOT_WORDS;
      // A removal moves another flow into the slot, which the next round looks at.
      if (words[at + TAG] !== 0 && this.ended(at)) this.remove(this.hand);
      else this.hand = (this.hand + 1) & mask;
    }
  }

  /** Makes room for one flow: takes out one that has ended, or else has been idle longest, among those in the next slots. */
  private evict(): void {
    const { words, times, clock } = this;
    const { mask } = this.slots;
    let victim = -1;
    let oldest = Number.POSITIVE_INFINITY;
    for (let k = 0; k < EVICTION_WINDOW || victim < 0; k++) {
      const at = this.hand * SLOT_WORDS;
      if (words[at + TAG] !== 0) {
        const latest = this.ended(at) ? 0 : clock.since(times[(at + LATEST) >>> 1] ?? 0);
        if (latest < oldest) {
          victim = this.hand;
          oldest = latest;
        }
      }
      this.hand = (this.hand + 1) & mask;
    }
    if (!this.ended(victim * SLOT_WORDS)) this.evicted++;
    this.remove(victim);
  }
}
