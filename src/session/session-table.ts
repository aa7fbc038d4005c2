import { asFloats, cacheLineWords } from "../cache-lines.ts";

/**
 * A session is 384 octets in one typed array: two cache lines for itself and two for each side, of which a packet touches
 * those of its sender. Fields are word offsets from `session * SESSION_WORDS`; times, offsets and counts are float64 over
 * two words. Stream offsets count from 0, the octet after IDSN.
 */
export const SESSION_WORDS = 96;
/** Two words each: the initiator's key, the responder's. They leave this table for hashes only. */
const SESSION_KEY = 0;
/** One word each. */
export const TOKEN = 4;
/** Float64: packet time up to which updated records are spent (src/record/update-budget.ts). */
export const UPDATES_SPENT = 6;
/** What was found of its handshake (src/session/verdicts.ts), and what the handshake said (src/session/negotiation.ts). */
export const VERDICTS = 8;
export const NEGOTIATION = 9;
/** S_ bits. */
const S_STATE = 10;
/** How many subflows it has. */
export const SUBFLOWS = 11;
/** Subflow + 1. */
export const FIRST_SUBFLOW = 12;
export const LAST_SUBFLOW = 13;
/** Float64: µs of the first packet. */
export const SESSION_START = 14;
/** Float64: packet time at which a closing session ends; 0 while it lives. */
export const DEADLINE = 16;
/** Subflows that are not closed. */
export const OPEN_SUBFLOWS = 18;
/** Records made so far. */
export const REVISION = 19;
/** Index into FALLBACK_CAUSES + 1; the subflow; float64 of the time. */
export const FALLBACK_CAUSE = 20;
export const FALLBACK_SUBFLOW = 21;
export const FALLBACK_MICROS = 22;
/** Subflows and addresses that a bound kept out of the record. */
export const SHED_SUBFLOWS = 24;
export const SHED_ADDRESSES = 25;
/** Per side, one word each: octets beyond any window, or on ranges that a bound refused: seen and not placed; `addOctets`. */
export const UNPLACED = 26;
/** Per side: ranges that the bound on holes refused. */
export const REFUSED_RANGES = 28;
/** Per side: cuts that are listed: ranges in the low 8 bits, cut segments taken into them above; all are counted in CUT. */
export const CUT_RANGES = 30;

/** Per side, SIDE_WORDS each. */
export const SIDE = 32;
export const SIDE_WORDS = 32;
/** Float64: octets from the first up to the first that was not seen. */
export const CONTIGUOUS = 0;
/** Float64: octets seen, each once. */
export const OCTETS = 2;
/** Float64: offset of the DATA_FIN + 1 (after a fallback: of the FIN); 0 while none was stated (src/session/stream-end.ts). */
export const FIN_OFFSET = 4;
/** Float64: end of the highest octet seen. */
export const HIGHEST = 6;
/** Float64: octets whose copies were cut before them. */
export const CUT = 8;
/** Initial data sequence number, high and low word. */
export const IDSN_HI = 10;
export const IDSN_LO = 11;
/** Ranges kept beyond CONTIGUOUS (src/reassembly/stream-ranges.ts). */
export const OUT_OF_ORDER = 12;
/** READY and ALL_CUTS_LISTED. */
export const PATH = 13;
/** Float64: offset of the lowest octet whose copy was cut before it + 1; 0 when there is none. */
export const FIRST_CUT = 14;
/** The second line: LINE_NUMBERS float64s of src/reassembly/stream-ranges.ts, for ranges beyond CONTIGUOUS. */
export const RANGES = 16;

/** PATH: the session is MPTCP for certain and IDSN is known, so that src/session/steady-path.ts may place octets. */
export const READY = 1;
/** PATH: further cuts are counted and not listed. */
export const ALL_CUTS_LISTED = 2;

/** S_ bits: what is known of a session. The place is taken. */
export const S_IN_USE = 1 << 0;
/** The version is known; S_VERSION_1 says which. */
export const S_VERSION = 1 << 1;
export const S_VERSION_1 = 1 << 2;
/** Per side (shift by 0 or 1). */
export const S_KEY = 1 << 3;
export const S_IDSN = 1 << 5;
/** Handshake flags were seen; S_CHECKSUM says whether one asked for checksums. */
export const S_FLAGS = 1 << 7;
export const S_CHECKSUM = 1 << 8;
/** The SYN/ACK carried MP_CAPABLE. */
export const S_ANSWERED = 1 << 9;
/** A segment after it showed that both sides speak MPTCP. */
export const S_CONFIRMED = 1 << 10;
/** The session is one (its first record is made or due); before, it is half-open. */
export const S_ESTABLISHED = 1 << 11;
export const S_FASTCLOSE = 1 << 12;
export const S_FASTCLOSE_BY_RESPONDER = 1 << 13;
/** Only joins were seen, or neither handshake nor joins. */
export const S_ORPHAN = 1 << 14;
export const S_MIDSTREAM = 1 << 15;
/** An orphan whose handshake is not waited for any more: a session of its own. */
export const S_SETTLED = 1 << 28;
/** The third ACK carried MP_CAPABLE. */
export const S_CAPABLE_ACK = 1 << 16;
export const S_SYN_RETRIED_PLAIN = 1 << 18;
/** The initiator's SYN carried octets (src/session/fast-open.ts). */
export const S_FAST_OPEN = 1 << 17;
/** The session is plain TCP; FALLBACK_ says why. */
export const S_FALLBACK = 1 << 19;

/** Where in `SessionTable.words` the two words of a side's key begin. */
export const keyAt = (session: number, side: number): number => session * SESSION_WORDS + SESSION_KEY + side * 2;

/** Where in `SessionTable.floats` the ranges of a stream (session * 2 + side) stand. */
export const rangesAt = (stream: number): number =>
  ((stream >>> 1) * SESSION_WORDS + SIDE + (stream & 1) * SIDE_WORDS + RANGES) >> 1;

/** All sessions that are known. `allocate` returns -1 at the bound. */
export class SessionTable {
  readonly capacity: number;
  readonly words: Uint32Array;
  /** The same octets as `words`, as float64. */
  readonly floats: Float64Array;
  live = 0;
  /** Sessions were at some time allocated below this number: what a sweep walks. */
  used = 0;
  private readonly free: number[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
    this.words = cacheLineWords(capacity * SESSION_WORDS);
    this.floats = asFloats(this.words);
  }

  /** Makes a session, all zero but its start, or -1 when the table is full. */
  allocate(atMicros: number): number {
    const session = this.free.pop() ?? (this.used < this.capacity ? this.used++ : -1);
    if (session < 0) return -1;
    const base = session * SESSION_WORDS;
    this.words.fill(0, base, base + SESSION_WORDS);
    this.words[base + S_STATE] = S_IN_USE;
    this.floats[(base + SESSION_START) >> 1] = atMicros;
    this.live++;
    return session;
  }

  /** Gives a session's place back; its keys are overwritten. */
  release(session: number): void {
    const base = session * SESSION_WORDS;
    this.words.fill(0, base, base + SESSION_WORDS);
    this.free.push(session);
    this.live--;
  }

  /** The S_ bits of a session. */
  state(session: number): number {
    return this.words[session * SESSION_WORDS + S_STATE]!;
  }

  /** Sets S_ bits of a session, and with them whether each side is READY. */
  set(session: number, bits: number): void {
    const base = session * SESSION_WORDS;
    this.words[base + S_STATE]! |= bits;
    const state = this.words[base + S_STATE]!;
    const isCertain = (state & (S_CONFIRMED | S_ORPHAN | S_MIDSTREAM | S_FALLBACK)) === S_CONFIRMED;
    for (let side = 0; side < 2; side++) {
      const at = base + SIDE + side * SIDE_WORDS + PATH;
      const isShifted = side === 0 && (state & S_FAST_OPEN) !== 0;
      if (isCertain && !isShifted && state & (S_IDSN << side)) this.words[at]! |= READY;
      else this.words[at]! &= ~READY;
    }
  }

  /** 0, 1, or null while the version is unknown. */
  version(session: number): 0 | 1 | null {
    const state = this.state(session);
    return state & S_VERSION ? (state & S_VERSION_1 ? 1 : 0) : null;
  }
}
