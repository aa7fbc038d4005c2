import type { MptcpOptions } from "../wire/mptcp.ts";
import { NEGOTIATION, SESSION_WORDS } from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/**
 * The NEGOTIATION word: what SYN and SYN/ACK said in their MP_CAPABLE (RFC 8684 §3.1). Version (4 bits) and whether it
 * is known, from bit 0 what the initiator asked for, from bit 8 what was agreed upon; flags A to H of each from bit 16
 * and 24.
 */
const KNOWN = 0x10;
const AGREED_SHIFT = 8;
const FLAGS_SHIFT = 16;
/** Flags of SYN (0) and SYN/ACK (1) were seen. */
const FLAGS_KNOWN = 0x20;

/** Notes the version and flags of a MP_CAPABLE; `isAsking` for a SYN. The first statement of each kind stays. */
export function noteNegotiation(
  sessions: Sessions,
  session: number,
  options: MptcpOptions,
  isAsking: boolean,
  isSyn: boolean,
): void {
  const { words } = sessions.table;
  const at = session * SESSION_WORDS + NEGOTIATION;
  const shift = isAsking ? 0 : AGREED_SHIFT;
  if ((words[at]! & (KNOWN << shift)) === 0) words[at]! |= (KNOWN | options.capableVersion) << shift;
  if (!isSyn || words[at]! & (FLAGS_KNOWN << shift)) return;
  words[at]! |= (FLAGS_KNOWN << shift) | (options.capableFlags << (FLAGS_SHIFT + shift));
}

/** The version a session's initiator asked for: 0 to 15, null when its SYN was not seen. */
export const askedVersion = (sessions: Sessions, session: number): number | null => versionAt(sessions, session, 0);

/** The version that the SYN/ACK, or where it was not seen what followed it, states: 0 to 15, null when neither was seen. */
export const agreedVersion = (sessions: Sessions, session: number): number | null =>
  versionAt(sessions, session, AGREED_SHIFT);

function versionAt(sessions: Sessions, session: number, shift: number): number | null {
  const half = sessions.table.words[session * SESSION_WORDS + NEGOTIATION]! >>> shift;
  return half & KNOWN ? half & 0x0f : null;
}

/** Flags A (highest bit) to H of the SYN's (side 0) or SYN/ACK's (side 1) MP_CAPABLE; null when it was not seen. */
export function capableFlags(sessions: Sessions, session: number, side: 0 | 1): number | null {
  const word = sessions.table.words[session * SESSION_WORDS + NEGOTIATION]!;
  const shift = side * AGREED_SHIFT;
  return word & (FLAGS_KNOWN << shift) ? (word >>> (FLAGS_SHIFT + shift)) & 0xff : null;
}
