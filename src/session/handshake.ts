import * as flow from "../subflow/subflow-row.ts";
import type { PacketVector } from "../vector.ts";
import { CAPABLE_CHECKSUM, type MptcpOptions } from "../wire/mptcp.ts";
import * as tcp from "../wire/tcp.ts";
import { digestKey } from "./keys.ts";
import { agreedVersion, noteNegotiation } from "./negotiation.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";
import { KEY_DIFFERED, KEY_ECHOED, KEY_STATED, noteVerdictBits, VERSION_DIFFERED } from "./verdicts.ts";

/** Octets of the other side that a third ACK may acknowledge besides those seen: copies can be missing. */
const UNSEEN_OCTETS = 0xffff;

/**
 * Whether a MP_CAPABLE of packet i is one that a host can have sent (RFC 8684 §3.1): behind the SYNs it acknowledges the
 * SYN/ACK, and little more than was seen. Anybody can send one with made-up keys that does not, and no host takes it.
 */
export function isAcknowledging(
  sessions: Sessions,
  subflow: number,
  higher: number,
  vector: PacketVector,
  i: number,
): boolean {
  const { hot } = sessions.subflows;
  const state = hot[subflow * flow.HOT_WORDS + flow.STATE]!;
  if ((vector.flags[i]! & tcp.SYN) !== 0 || (state & flow.STATE_SYN_ACK) === 0) return true;
  const peer = flow.direction(subflow, 1 - higher);
  const acknowledged = (vector.ack[i]! - hot[peer + flow.ISN]!) >>> 0;
  return acknowledged >= 1 && acknowledged <= hot[peer + flow.NEXT_SSN]! + UNSEEN_OCTETS;
}

/** Takes what a MP_CAPABLE says into its session (RFC 8684 §3.1, RFC 6824 §3.1). `side` is the sender's. */
export function takeCapable(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  vector: PacketVector,
  i: number,
  options: MptcpOptions,
): void {
  const flags = vector.flags[i]!;
  const isSyn = (flags & tcp.SYN) !== 0;
  const isAnswer = isSyn && (flags & tcp.ACK) !== 0;
  const { view } = vector;
  // RFC 8684 §3.1: behind the SYNs it has both keys. Without, it is nothing that a host would send.
  if (!isSyn && options.receiverKeyAt === 0) return;
  // The SYN asks for a version, the SYN/ACK and what follows it state the one agreed upon (RFC 8684 §3.1).
  const isAsking = isSyn && !isAnswer;
  const agreed = agreedVersion(sessions, session);
  if (!isAsking && agreed !== null && agreed !== options.capableVersion) {
    noteVerdictBits(sessions, session, VERSION_DIFFERED);
  }
  noteNegotiation(sessions, session, options, isAsking, isSyn);
  if (!isAsking || options.senderKeyAt !== 0) setVersion(sessions, session, options.capableVersion);
  let bits = table.S_FLAGS;
  if (options.capableFlags & CAPABLE_CHECKSUM) bits |= table.S_CHECKSUM;
  if (isAnswer) bits |= table.S_ANSWERED;
  if (!isSyn) bits |= table.S_CAPABLE_ACK | table.S_ANSWERED;
  sessions.table.set(session, bits);

  if (options.senderKeyAt !== 0) {
    takeKey(sessions, session, side, view, options.senderKeyAt);
    if (isSyn && isAnswer === (side === 1)) noteVerdictBits(sessions, session, KEY_STATED << side);
  }
  if (options.receiverKeyAt !== 0) {
    takeKey(sessions, session, side === 0 ? 1 : 0, view, options.receiverKeyAt);
    if (!isSyn && side === 0) noteVerdictBits(sessions, session, KEY_ECHOED);
  }
}

function setVersion(sessions: Sessions, session: number, version: number): void {
  if (sessions.table.state(session) & table.S_VERSION || version > 1) return;
  sessions.table.set(session, table.S_VERSION | (version === 1 ? table.S_VERSION_1 : 0));
}

/** The first key that is stated for a side stays; another one is noted. */
function takeKey(sessions: Sessions, session: number, side: number, view: DataView, keyAt: number): void {
  if ((sessions.table.state(session) & (table.S_KEY << side)) === 0) learnKey(sessions, session, side, view, keyAt);
  else if (!isKey(sessions, session, side, view, keyAt)) noteVerdictBits(sessions, session, KEY_DIFFERED);
}

/** Whether the 8 octets at `keyAt` are a side's key, which is known. */
export function isKey(sessions: Sessions, session: number, side: number, view: DataView, keyAt: number): boolean {
  const at = table.keyAt(session, side);
  const { words } = sessions.table;
  return view.getUint32(keyAt) === words[at] && view.getUint32(keyAt + 4) === words[at + 1];
}

function learnKey(sessions: Sessions, session: number, side: number, view: DataView, keyAt: number): void {
  const { words } = sessions.table;
  const base = session * table.SESSION_WORDS;
  const at = table.keyAt(session, side);
  words[at] = view.getUint32(keyAt);
  words[at + 1] = view.getUint32(keyAt + 4);
  const digest = digestKey(words, at, sessions.table.version(session) ?? 1);
  words[base + table.TOKEN + side] = digest.token;
  const sideBase = base + table.SIDE + side * table.SIDE_WORDS;
  words[sideBase + table.IDSN_HI] = digest.idsnHi;
  words[sideBase + table.IDSN_LO] = digest.idsnLo;
  sessions.table.set(session, (table.S_KEY | table.S_IDSN) << side);
  sessions.tokens.add(session, side);
}
