import * as flow from "../subflow/subflow-row.ts";
import type { PacketVector } from "../vector.ts";
import { parseAddress } from "../wire/address.ts";
import { JOIN_ACK_LENGTH, JOIN_SYN_ACK_LENGTH, JOIN_SYN_LENGTH, type MptcpOptions } from "../wire/mptcp.ts";
import * as tcp from "../wire/tcp.ts";
import * as join from "./join-state.ts";
import { joinHmac, wordOf } from "./keys.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/** Octets of the HMAC in a third ACK. */
const THIRD_ACK_HMAC = 20;

/**
 * The session that a MP_JOIN SYN means, as session * 2 + side of the token's owner, or -1. A token alone proves
 * nothing: two hosts may have chosen the same one. So the owner must be known at the address the SYN goes to, or be
 * the only one with this token; the HMACs decide in the end (`rightfulOwner`).
 */
export function findOwner(sessions: Sessions, subflow: number, token: number): number {
  const all = sessions.tokens.streamsOf(token);
  // Other joins that wait for a handshake are company for want of a session.
  const known = all.filter((stream) => (sessions.table.state(stream >> 1) & table.S_ORPHAN) === 0);
  // No HMAC tells what is whose there: both ends elsewhere may be two servers that chose one token.
  if (known.length === 0) {
    return (
      all.find((stream) => knowsAddress(sessions, stream, subflow, 0)) ??
      all.find((stream) => knowsAddress(sessions, stream, subflow, 1)) ??
      -1
    );
  }
  if (known.length < 2) return known[0] ?? -1;
  return known.find((stream) => knowsAddress(sessions, stream, subflow, 0)) ?? known[0] ?? -1;
}

/**
 * Whether the address of a join's listener (0) or opener (1) is one at which that side of the candidate is known, or
 * which it has announced.
 */
function knowsAddress(sessions: Sessions, stream: number, subflow: number, end: 0 | 1): boolean {
  const session = stream >> 1;
  const side = (stream & 1) ^ end;
  const hot = sessions.subflows.hot;
  const openerHigher = (hot[subflow * flow.HOT_WORDS + flow.STATE]! & flow.STATE_OPENER_HIGHER) !== 0;
  const at = subflow * flow.HOT_WORDS + flow.KEY + (openerHigher === (end === 1) ? 4 : 0);
  const isSame = (words: ArrayLike<number>): boolean => [0, 1, 2, 3].every((i) => words[i] === hot[at + i]);
  const isOn = (known: number): boolean =>
    known !== subflow && !isRefused(sessions.join(known)) && isSame(sessions.addressWords(known, side));
  const announced = sessions.rare.addresses.get(session) ?? [];
  return (
    sessions.subflowsOf(session).some(isOn) ||
    announced.some(({ side: owner, ip }) => owner === side && ip !== null && isSame(parseAddress(ip)?.words ?? []))
  );
}

/**
 * Whether a join whose listener does not have the keys of this stream's session (session * 2 + side) is another
 * session's, which ended or was never seen, and chose the same token: neither of its ends is known here. Who pretends to
 * be a host of the session sends to the other one, or from where it is.
 */
export function isStranger(sessions: Sessions, stream: number, subflow: number): boolean {
  if (verdictOf(sessions.join(subflow), join.LISTENER_VERDICT) !== join.FAILED) return false;
  return !knowsAddress(sessions, stream, subflow, 0) && !knowsAddress(sessions, stream, subflow, 1);
}

/**
 * Takes what a MP_JOIN says into its subflow, and verifies the HMAC it carries where both keys and nonces are known.
 * Anybody can send a wrong HMAC before the right one, so a right one stands. Returns whether something is new.
 */
export function takeJoin(
  sessions: Sessions,
  session: number,
  subflow: number,
  vector: PacketVector,
  i: number,
  options: MptcpOptions,
): boolean {
  const isSyn = (vector.flags[i]! & tcp.SYN) !== 0;
  const { view } = vector;
  if (options.joinLength === JOIN_SYN_LENGTH && isSyn) return takeJoinSyn(sessions, subflow, options);
  if (options.joinLength === JOIN_SYN_ACK_LENGTH && isSyn)
    return takeJoinSynAck(sessions, session, subflow, view, options);
  if (options.joinLength !== JOIN_ACK_LENGTH || isSyn) return false;
  const word = sessions.join(subflow);
  sessions.setJoin(subflow, join.SAW_ACK);
  if (verdictOf(word, join.OPENER_VERDICT) === join.VERIFIED) return false;
  const at = options.joinHmacAt;
  const expected = expectedHmac(sessions, session, subflow, true);
  if (expected !== null)
    return setVerdict(sessions, subflow, join.OPENER_VERDICT, isThirdAckHmac(vector.block, at, expected));
  // As the SYN/ACK's, for keys that come later than packets are held.
  sessions.rare.thirdAcks.keep(subflow, vector.block.subarray(at, at + THIRD_ACK_HMAC));
  return (word & join.SAW_ACK) === 0;
}

/** Verifies a third ACK's HMAC that was kept, as soon as keys and nonces are all known. */
export function verifyThirdAck(sessions: Sessions, session: number, subflow: number): void {
  const sent = sessions.rare.thirdAcks.of(subflow);
  const expected = sent === undefined ? null : expectedHmac(sessions, session, subflow, true);
  if (sent === undefined || expected === null) return;
  setVerdict(sessions, subflow, join.OPENER_VERDICT, isThirdAckHmac(sent, 0, expected));
  sessions.rare.thirdAcks.forget(subflow);
}

/**
 * Whether a flow's third ACK carries the HMAC of a join that it may be a copy of: by the keys, or as that one's own does
 * where they are not known.
 */
export function hasThirdAckOf(sessions: Sessions, copy: number, subflow: number): boolean {
  if (verdictOf(sessions.join(copy), join.OPENER_VERDICT) === join.VERIFIED) return true;
  const sent = sessions.rare.thirdAcks.of(copy);
  if (sent === undefined) return false;
  const expected = expectedHmac(sessions, sessions.sessionOf(subflow), subflow, true);
  if (expected !== null) return isThirdAckHmac(sent, 0, expected);
  const own = sessions.rare.thirdAcks.of(subflow);
  return own !== undefined && Buffer.compare(own, sent) === 0;
}

function takeJoinSyn(sessions: Sessions, subflow: number, options: MptcpOptions): boolean {
  if (sessions.join(subflow) & join.SAW_SYN) return false;
  const base = subflow * flow.COLD_WORDS;
  sessions.subflows.cold[base + flow.JOIN_TOKEN] = options.joinToken;
  sessions.subflows.cold[base + flow.NONCE] = options.joinNonce;
  sessions.setJoin(subflow, join.SAW_SYN | (options.joinBackup ? join.BACKUP : 0));
  sessions.setJoin(subflow, options.joinAddressId << join.OPENER_ADDRESS_ID);
  return true;
}

function takeJoinSynAck(
  sessions: Sessions,
  session: number,
  subflow: number,
  view: DataView,
  options: MptcpOptions,
): boolean {
  const cold = sessions.subflows.cold;
  const base = subflow * flow.COLD_WORDS;
  const word = sessions.join(subflow);
  const verdict = verdictOf(word, join.LISTENER_VERDICT);
  if (verdict === join.VERIFIED) return false;
  if ((word & join.SAW_SYN_ACK) === 0 || verdict === join.FAILED) {
    cold[base + flow.NONCE + 1] = options.joinNonce;
    cold[base + flow.SYN_ACK_HMAC] = view.getUint32(options.joinHmacAt);
    cold[base + flow.SYN_ACK_HMAC + 1] = view.getUint32(options.joinHmacAt + 4);
    sessions.clearJoin(subflow, 0xff << join.LISTENER_ADDRESS_ID);
    sessions.setJoin(subflow, join.SAW_SYN_ACK | (options.joinAddressId << join.LISTENER_ADDRESS_ID));
    if (options.joinBackup) sessions.rare.backupAnswers.add(subflow);
    else sessions.rare.backupAnswers.delete(subflow);
  }
  verifySynAck(sessions, session, subflow);
  // The third ACK may have come first, from another agent.
  const isRight = verdictOf(sessions.join(subflow), join.LISTENER_VERDICT) === join.VERIFIED;
  if (isRight) verifyThirdAck(sessions, session, subflow);
  return sessions.join(subflow) !== word;
}

const verdictOf = (word: number, position: number): number => (word >>> position) & 3;

/** Verifies the SYN/ACK's HMAC, which is kept, as soon as keys and nonces are all known. */
export function verifySynAck(sessions: Sessions, session: number, subflow: number): void {
  if ((sessions.join(subflow) & join.SAW_SYN_ACK) === 0) return;
  const expected = expectedHmac(sessions, session, subflow, false);
  if (expected === null) return;
  const isRight = isSynAckHmac(sessions, subflow, expected);
  setVerdict(sessions, subflow, join.LISTENER_VERDICT, isRight);
  if (isRight) noteRivals(sessions, session, subflow);
}

/** Notes how many other sessions with the same token the SYN/ACK's HMAC is right for, too: they have the same keys. */
function noteRivals(sessions: Sessions, session: number, subflow: number): void {
  const listener = sessions.join(subflow) & join.OPENED_BY_RESPONDER ? 0 : 1;
  if (!sessions.tokens.isShared(session, listener)) return;
  const token = sessions.subflows.cold[subflow * flow.COLD_WORDS + flow.JOIN_TOKEN]!;
  const rivals = sessions.tokens
    .streamsOf(token)
    .filter((stream) => stream >> 1 !== session && isVerifiedBy(sessions, stream, subflow));
  if (rivals.length > 0) sessions.rare.joinRivals.set(subflow, rivals.length);
}

/** Whether the SYN/ACK's HMAC is right for the owner of this stream (session * 2 + side). */
function isVerifiedBy(sessions: Sessions, stream: number, subflow: number): boolean {
  const expected = expectedHmac(sessions, stream >> 1, subflow, false, (stream & 1) === 0);
  return expected !== null && isSynAckHmac(sessions, subflow, expected);
}

/**
 * When the SYN/ACK's HMAC is wrong for the session that the token pointed at, another session with the same token may
 * be meant: the stream (session * 2 + side) for which the HMAC is right, or -1.
 */
export function rightfulOwner(sessions: Sessions, subflow: number): number {
  const token = sessions.subflows.cold[subflow * flow.COLD_WORDS + flow.JOIN_TOKEN]!;
  return sessions.tokens.streamsOf(token).find((stream) => isVerifiedBy(sessions, stream, subflow)) ?? -1;
}

/**
 * Whether an orphan join with the token of this stream (session * 2 + side) can be its session's: not when the SYN/ACK's
 * HMAC was seen and is another session's.
 */
export function mayJoin(sessions: Sessions, stream: number, subflow: number): boolean {
  const expected = expectedHmac(sessions, stream >> 1, subflow, false, (stream & 1) === 0);
  return expected === null || isSynAckHmac(sessions, subflow, expected);
}

function isSynAckHmac(sessions: Sessions, subflow: number, expected: string): boolean {
  const at = subflow * flow.COLD_WORDS + flow.SYN_ACK_HMAC;
  const { cold } = sessions.subflows;
  return wordOf(expected, 0) === cold[at] && wordOf(expected, 4) === cold[at + 1];
}

/** Whether the octets from `at` are those that a third ACK carries of this HMAC. */
function isThirdAckHmac(octets: Uint8Array, at: number, expected: string): boolean {
  for (let i = 0; i < THIRD_ACK_HMAC; i++) if (octets[at + i] !== expected.charCodeAt(i)) return false;
  return true;
}

/** The whole HMAC, one character per octet; null while a key or a nonce is unknown. */
function expectedHmac(
  sessions: Sessions,
  session: number,
  subflow: number,
  byOpener: boolean,
  openedByResponder = (sessions.join(subflow) & join.OPENED_BY_RESPONDER) !== 0,
): string | null {
  const keys = 3 * table.S_KEY;
  const seen = join.SAW_SYN | join.SAW_SYN_ACK;
  if ((sessions.table.state(session) & keys) !== keys || (sessions.join(subflow) & seen) !== seen) return null;
  const nonceAt = subflow * flow.COLD_WORDS + flow.NONCE;
  const cold = sessions.subflows.cold;
  const senderSide = byOpener === openedByResponder ? 1 : 0;
  return joinHmac(
    sessions.table.version(session) ?? 1,
    sessions.table.words,
    table.keyAt(session, senderSide),
    table.keyAt(session, 1 - senderSide),
    cold[nonceAt + (byOpener ? 0 : 1)]!,
    cold[nonceAt + (byOpener ? 1 : 0)]!,
  );
}

/** Returns whether it is another verdict than before. */
function setVerdict(sessions: Sessions, subflow: number, position: number, right: boolean): boolean {
  const before = sessions.join(subflow);
  sessions.clearJoin(subflow, 3 << position);
  sessions.setJoin(subflow, (right ? join.VERIFIED : join.FAILED) << position);
  if (right && position === join.OPENER_VERDICT) sessions.setJoin(subflow, join.IS_PROVEN);
  return sessions.join(subflow) !== before;
}

/** Whether a subflow may speak for its session. Without both keys nothing can show it, and a join is believed. */
export function isBelieved(sessions: Sessions, session: number, subflow: number): boolean {
  const word = sessions.join(subflow);
  if (isRefused(word)) return false;
  const keys = 3 * table.S_KEY;
  const isProven = (word & (join.IS_JOINED | join.IS_PROVEN)) !== join.IS_JOINED;
  return isProven || (sessions.table.state(session) & keys) !== keys;
}

/** Whether an HMAC of this subflow is wrong: its octets are not the session's. */
export function isRefused(joinWord: number): boolean {
  return (
    ((joinWord >>> join.LISTENER_VERDICT) & 3) === join.FAILED ||
    ((joinWord >>> join.OPENER_VERDICT) & 3) === join.FAILED
  );
}
