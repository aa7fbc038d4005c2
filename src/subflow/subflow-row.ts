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

/** Where the fields of a direction begin in `hot`: 0 the lower endpoint's, 1 the higher's. */
export function direction(subflow: number, higher: number): number {
  return subflow * HOT_WORDS + DIRECTION + higher * DIRECTION_WORDS;
}

/** Adds octets to a word of a table; what would be 4 GiB or more stays just below, and never begins anew. */
export function addOctets(words: Uint32Array, at: number, octets: number): void {
  words[at] = Math.min(words[at]! + octets, 0xffffffff);
}
