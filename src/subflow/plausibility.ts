import type { PacketVector } from "../vector.ts";
import { DSS_DATA_FIN, type MptcpOptions } from "../wire/mptcp.ts";
import * as tcp from "../wire/tcp.ts";
import * as table from "./subflow-row.ts";
import type { SubflowTable } from "./subflow-table.ts";

/**
 * Octets around those seen last within which a RST or a FIN counts. Hosts ask for their exact window (RFC 5961 §3), which
 * an observer that misses packets cannot know; most windows are smaller than this.
 */
export const NEAR = 2 ** 24;
/**
 * The same for a segment without payload, whose number and acknowledgment must both lie so near: one packet in 256 that
 * is guessed does. Farther than NEAR, because a few made-up octets, of which each moves the numbers by NEAR, must not
 * silence the hosts.
 */
const BARE_NEAR = 8 * NEAR;
/** The largest window (RFC 7323 §2.3): octets farther away are refused by any host. */
const MAX_WINDOW = 2 ** 30;
/** More than a SYN carries (RFC 7413 §4): one segment. */
export const MAX_SYN_OCTETS = 0xffff;
/** A SYN with none of the flags that contradict it. */
const SYN_FLAGS = tcp.SYN | tcp.RST | tcp.FIN;
/** A flow of which nothing came for this long gives its 4-tuple to the next SYN. */
const QUIET_MICROS = 60_000_000;

/**
 * Whether any host takes a segment with these flags: nobody sends a SYN that is a RST or FIN too, and what has neither
 * SYN, RST nor ACK is dropped in every state (RFC 9293 §3.10.7.4, fifth).
 */
export function hasPossibleFlags(flags: number): boolean {
  return flags & tcp.SYN ? (flags & SYN_FLAGS) === tcp.SYN : (flags & (tcp.ACK | tcp.RST)) !== 0;
}

/**
 * Whether a packet of a known subflow can be one that its receiver takes (RFC 9293 §3.10.7.4): else anybody who guesses
 * a 4-tuple could end a subflow, move its numbers, or speak for its hosts. Octets too far away only move `NEXT_SSN`, so that
 * a flow is found again behind a gap of any length. Nobody guesses where exactly a direction goes on; a segment that lies
 * elsewhere must acknowledge something near too, but for a RST, of which the other end does not ask it.
 */
export function isPlausible(
  subflows: SubflowTable,
  vector: PacketVector,
  i: number,
  subflow: number,
  higher: number,
): boolean {
  const { hot } = subflows;
  const flags = vector.flags[i]!;
  if (!hasPossibleFlags(flags)) return false;
  if (flags & tcp.SYN) return isPlausibleSyn(subflows, vector, i, subflow, higher);
  if ((hot[subflow * table.HOT_WORDS + table.STATE]! & (table.STATE_ISN << higher)) === 0) return true;
  const at = table.direction(subflow, higher);
  const ssn = (vector.seq[i]! - hot[at + table.ISN]!) >>> 0;
  const payload = vector.payloadLength[i]!;
  const away = Math.abs((ssn - hot[at + table.NEXT_SSN]!) | 0);
  if (away === 0) return true;
  if (flags & tcp.RST) return away <= NEAR;
  const isAcknowledging = acknowledgesNear(hot, vector, i, subflow, 1 - higher);
  const most = flags & tcp.FIN ? NEAR : payload === 0 ? BARE_NEAR : MAX_WINDOW;
  if (away <= most && isAcknowledging) return true;
  if (payload !== 0 || isAcknowledging) advance(hot, at, ssn + payload);
  return false;
}

/** Whether packet i acknowledges octets near those seen of the other direction, where any were. */
function acknowledgesNear(hot: Uint32Array, vector: PacketVector, i: number, subflow: number, other: number): boolean {
  return acknowledgedAway(hot, vector, i, subflow, other) <= BARE_NEAR;
}

/** How far what packet i acknowledges lies from what was seen of the other direction, in octets; -1 where nothing was. */
export function acknowledgedAway(
  hot: Uint32Array,
  vector: PacketVector,
  i: number,
  subflow: number,
  other: number,
): number {
  const at = table.direction(subflow, other);
  const isKnown = (hot[subflow * table.HOT_WORDS + table.STATE]! & (table.STATE_ISN << other)) !== 0;
  if (!isKnown || hot[at + table.PACKETS] === 0) return -1;
  return Math.abs((vector.ack[i]! - hot[at + table.ISN]! - hot[at + table.NEXT_SSN]!) | 0);
}

/**
 * Whether a mapping begins near the segment that states it. RFC 8684 §3.3.1: it covers neither octets that were
 * acknowledged nor any beyond the window.
 */
export function isMappingNear(mappingSsn: number, ssn: number): boolean {
  return Math.abs((mappingSsn - ssn) | 0) <= NEAR;
}

/**
 * Whether a mapping stands on a segment with `payload` octets from `ssn` on that it does not map, or not all of them. A
 * mapping may be known in advance (RFC 8684 §3.3.1), but Linux takes it for that of the whole segment, and falls back to TCP
 * where it is not. The last octet may be a DATA_FIN's; an infinite mapping maps everything.
 */
export function isMisplaced(options: MptcpOptions, ssn: number, payload: number): boolean {
  if (options.capableMapping || payload === 0 || options.dataLength === 0) return false;
  const length = options.dataLength - ((options.dss & DSS_DATA_FIN) === 0 ? 0 : 1);
  const ahead = (options.ssn - ssn) | 0;
  return length > 0 && (ahead > 0 || ahead + length < payload);
}

/**
 * A SYN repeats the ISN that is known. So does a SYN/ACK, which acknowledges the SYN; only an ISN that was guessed from
 * other segments gives way to it, and only to one that acknowledges no more than was seen.
 */
function isPlausibleSyn(
  subflows: SubflowTable,
  vector: PacketVector,
  i: number,
  subflow: number,
  higher: number,
): boolean {
  const { hot } = subflows;
  const state = hot[subflow * table.HOT_WORDS + table.STATE]!;
  const isKnown = (state & (table.STATE_ISN << higher)) !== 0;
  const isSame = !isKnown || isKnownSyn(subflows, subflow, higher, vector.seq[i]!, vector.payloadLength[i]!);
  if ((vector.flags[i]! & tcp.ACK) === 0) return isSame;
  if (!isSame && state & table.STATE_SYN_ACK) return false;
  if ((state & (table.STATE_ISN << (1 - higher))) === 0) return isSame;
  return acknowledgesSyn(hot, vector, i, subflow, higher, isSame);
}

/**
 * Whether a SYN/ACK acknowledges the SYN of the other direction, which is known. A SYN without octets may repeat one that
 * had some and was not seen (RFC 7413 §4.1.3): where `mayBeRepeated`, those may be acknowledged, too.
 */
export function acknowledgesSyn(
  hot: Uint32Array,
  vector: PacketVector,
  i: number,
  subflow: number,
  higher: number,
  mayBeRepeated: boolean,
): boolean {
  const peer = table.direction(subflow, 1 - higher);
  const next = hot[peer + table.NEXT_SSN]!;
  const acknowledged = (vector.ack[i]! - hot[peer + table.ISN]!) >>> 0;
  const most = 1 + MAX_SYN_OCTETS;
  return acknowledged >= 1 && acknowledged <= (mayBeRepeated && next === 1 ? most : Math.min(next, most));
}

/**
 * Whether a SYN with this sequence number and so many octets is the one that opened the subflow. The ISN is known behind
 * those of its octets that were acknowledged, also by a SYN without any, which a client sends that missed the answer (RFC
 * 7413 §4.1.3); while mappings have yet to tell it stands in the highest place that it may have (src/subflow/isn-search.ts).
 */
export function isKnownSyn(
  subflows: SubflowTable,
  subflow: number,
  higher: number,
  seq: number,
  octets: number,
): boolean {
  const { hot } = subflows;
  const state = hot[subflow * table.HOT_WORDS + table.STATE]!;
  const at = table.direction(subflow, higher);
  const before = (hot[at + table.ISN]! - seq) >>> 0;
  if (state & (table.STATE_ISN << higher))
    return before <= octets || (octets === 0 && before === subflows.seldom.synOctets.get(subflow));
  return (state & table.STATE_SYN) !== 0 && hot[at + table.NEXT_SSN] !== 0 && before <= MAX_SYN_OCTETS;
}

/**
 * Whether a packet takes its 4-tuple for a new connection: a SYN with another ISN once the flow is closed, never got an
 * answer or was quiet for long; else the SYN/ACK that answers such a SYN, which is kept here until then.
 */
export function takesOver(
  subflows: SubflowTable,
  vector: PacketVector,
  i: number,
  subflow: number,
  higher: number,
): boolean {
  const flags = vector.flags[i]!;
  if ((flags & SYN_FLAGS) !== tcp.SYN) return false;
  const { hot, hotFloat, cold } = subflows;
  const base = subflow * table.HOT_WORDS;
  const state = hot[base + table.STATE]!;
  const pending = subflow * table.COLD_WORDS + table.PENDING_ISN;
  if (flags & tcp.ACK) {
    const waits = (state & (table.STATE_PENDING << (1 - higher))) !== 0;
    return waits && (vector.ack[i]! - cold[pending]!) >>> 0 === 1;
  }
  if (isKnownSyn(subflows, subflow, higher, vector.seq[i]!, vector.payloadLength[i]!)) return false;
  const bothIsns = 3 * table.STATE_ISN;
  const bothFins = 3 * table.STATE_FIN;
  const isHalfOpen = (state & table.STATE_SYN) !== 0 && (state & bothIsns) !== bothIsns;
  if (isHalfOpen || (state & bothFins) === bothFins || state & table.STATE_RESET) return true;
  if (vector.atMicros[i]! - hotFloat[(base + table.LAST_MICROS) >> 1]! > QUIET_MICROS) return true;
  cold[pending] = vector.seq[i]!;
  hot[base + table.STATE] = (state & ~(3 * table.STATE_PENDING)) | (table.STATE_PENDING << higher);
  return false;
}

/**
 * Whether a segment only asks for an answer: it has at most one octet, just below those that were sent (RFC 9293 §3.8.4).
 * That octet may be anything; it is none of the stream.
 */
export function isKeepAlive(vector: PacketVector, i: number, ssn: number, nextSsn: number): boolean {
  return vector.payloadLength[i]! <= 1 && (ssn + 1) >>> 0 === nextSsn && (vector.flags[i]! & tcp.FIN) === 0;
}

/**
 * Moves a direction's NEXT_SSN to the end of octets that were seen; false when they lie below it. By NEAR at most, also
 * backwards: what one made-up number moved, the flow's own octets move back.
 */
export function advance(hot: Uint32Array, at: number, end: number): boolean {
  const ahead = (end - hot[at + table.NEXT_SSN]!) | 0;
  if (ahead > NEAR) hot[at + table.NEXT_SSN]! += NEAR;
  else if (ahead > 0) hot[at + table.NEXT_SSN] = end;
  else if (ahead < -NEAR) hot[at + table.NEXT_SSN]! -= NEAR;
  return ahead > 0;
}
