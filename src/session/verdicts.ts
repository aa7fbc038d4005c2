import type { UNVERIFIABLE_REASONS, VERDICTS } from "../../schema/session-vocabulary.ts";
import * as flow from "../subflow/subflow-row.ts";
import { firstSubflow } from "./identity.ts";
import { IS_JOINED, OPENED_BY_RESPONDER, SAW_SYN } from "./join-state.ts";
import { agreedVersion, askedVersion } from "./negotiation.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/** An entry of UNVERIFIABLE_REASONS. */
export type UnverifiableReason = (typeof UNVERIFIABLE_REASONS)[number];
/** What a check found; `reason` is there exactly when the verdict is `unverifiable`. Null: nothing to check was said. */
export type Finding = {
  readonly verdict: (typeof VERDICTS)[number];
  readonly reason?: UnverifiableReason;
} | null;

/**
 * The VERDICTS word of a session. One bit each: a side stated its key in SYN or SYN/ACK (shift by the side), the initiator
 * repeated both keys, a MP_CAPABLE stated other keys, or another version, than one before it; one was cut off its copy.
 */
export const KEY_STATED = 1 << 0;
export const KEY_ECHOED = 1 << 2;
export const KEY_DIFFERED = 1 << 3;
export const VERSION_DIFFERED = 1 << 4;
export const CAPABLE_CUT = 1 << 5;
/** Two bits each, per side (shift by twice the side): 0 nothing was seen, VERIFIED, FAILED, UNVERIFIABLE. */
export const IDSN = 8;
export const FASTCLOSE = 12;

const VERIFIED = 1;
const FAILED = 2;
const UNVERIFIABLE = 3;

/** Sets bits of a session's VERDICTS word. */
export function noteVerdictBits(sessions: Sessions, session: number, bits: number): void {
  sessions.table.words[session * table.SESSION_WORDS + table.VERDICTS]! |= bits;
}

/**
 * Notes whether something that a side stated is right; null: that cannot be told. Once something was wrong it stays so,
 * whatever comes later: somebody has stated it.
 */
export function noteVerdict(
  sessions: Sessions,
  session: number,
  check: typeof IDSN | typeof FASTCLOSE,
  side: 0 | 1,
  isRight: boolean | null,
): void {
  const { words } = sessions.table;
  const at = session * table.SESSION_WORDS + table.VERDICTS;
  const shift = check + side * 2;
  const before = (words[at]! >>> shift) & 3;
  if (before === FAILED || (before === VERIFIED && isRight !== false)) return;
  const verdict = isRight === null ? UNVERIFIABLE : isRight ? VERIFIED : FAILED;
  words[at] = (words[at]! & ~(3 << shift)) | (verdict << shift);
}

const found = (isRight: boolean): Finding => ({ verdict: isRight ? "verified" : "failed" });
/** That something cannot be verified, and why. */
export const unverifiable = (reason: UnverifiableReason): Finding => ({ verdict: "unverifiable", reason });

/**
 * Whether the hosts agreed on a version as RFC 8684 §3.1 lets them: the responder's is not above the one asked for, and
 * nobody stated another. Null: the SYN/ACK states none.
 */
export function versionFinding(sessions: Sessions, session: number): Finding {
  const asked = askedVersion(sessions, session);
  const agreed = agreedVersion(sessions, session);
  if (isStandIn(sessions, session)) return unverifiable("no-handshake");
  if (bitsOf(sessions, session) & VERSION_DIFFERED) return found(false);
  if (asked !== null && agreed !== null) return found(agreed <= asked);
  if (sessions.isPlain(session) && agreed === null) return null;
  return unverifiable(whyUnseen(sessions, session, asked === null ? 0 : 1));
}

/**
 * Whether the initiator repeated the keys as they had been exchanged, in its third ACK and with first data. Null: it
 * fell back instead.
 */
export function keyEchoFinding(sessions: Sessions, session: number): Finding {
  const bits = bitsOf(sessions, session);
  if (isStandIn(sessions, session)) return unverifiable("no-handshake");
  if (bits & KEY_DIFFERED) return found(false);
  if ((bits & KEY_ECHOED) === 0) {
    return sessions.isPlain(session) ? null : unverifiable(whyUnseen(sessions, session, 0));
  }
  if ((bits & (KEY_STATED << 1)) === 0) return unverifiable(whyUnseen(sessions, session, 1));
  // RFC 6824 §3.1: in version 0 the SYN states the initiator's key, too.
  const isWhole = sessions.table.version(session) !== 0 || (bits & KEY_STATED) !== 0;
  return isWhole ? found(true) : unverifiable(whyUnseen(sessions, session, 0));
}

/** Whether the first data sequence number of a side's DSS follows from its key. Null: the session never was MPTCP. */
export function idsnFinding(sessions: Sessions, session: number, side: 0 | 1): Finding {
  if (isStandIn(sessions, session)) return unverifiable("no-handshake");
  const verdict = (bitsOf(sessions, session) >>> (IDSN + side * 2)) & 3;
  if (verdict !== 0) return found(verdict === VERIFIED);
  if (sessions.isPlain(session)) return null;
  if ((sessions.table.state(session) & (table.S_KEY << side)) === 0) return unverifiable("key-unknown");
  return unverifiable(whyUnseen(sessions, session, side));
}

/** Whether the MP_FASTCLOSE that a side sent carried the other side's key (RFC 8684 §3.5). Null: it sent none. */
export function fastcloseFinding(sessions: Sessions, session: number, side: 0 | 1): Finding {
  const verdict = (bitsOf(sessions, session) >>> (FASTCLOSE + side * 2)) & 3;
  if (verdict === 0) return null;
  return verdict === UNVERIFIABLE ? unverifiable(whyKeyless(sessions, session)) : found(verdict === VERIFIED);
}

/**
 * That the token in joins to a side is the one of its key (RFC 8684 §3.2): a join with another is in another session.
 * Null: no SYN of such a join was seen.
 */
export function tokenFinding(sessions: Sessions, session: number, side: 0 | 1): Finding {
  if (!hasJoinTo(sessions, session, side)) return null;
  const isKnown = (sessions.table.state(session) & (table.S_KEY << side)) !== 0;
  return isKnown ? found(true) : unverifiable(whyKeyless(sessions, session));
}

/** Whether the SYN of a join to this side was seen. */
function hasJoinTo(sessions: Sessions, session: number, side: 0 | 1): boolean {
  for (let one = sessions.firstOf(session); one >= 0; one = sessions.nextOf(one)) {
    const word = sessions.join(one);
    const listener = word & OPENED_BY_RESPONDER ? 0 : 1;
    if ((word & (IS_JOINED | SAW_SYN)) === (IS_JOINED | SAW_SYN) && listener === side) return true;
  }
  return false;
}

const bitsOf = (sessions: Sessions, session: number): number =>
  sessions.table.words[session * table.SESSION_WORDS + table.VERDICTS]!;

/** The session stands for what was not seen: its handshake. */
const isStandIn = (sessions: Sessions, session: number): boolean =>
  (sessions.table.state(session) & (table.S_ORPHAN | table.S_MIDSTREAM)) !== 0;

/** Why a key is unknown. */
export function whyKeyless(sessions: Sessions, session: number): UnverifiableReason {
  return sessions.table.state(session) & (3 * table.S_KEY) ? "key-unknown" : "no-handshake";
}

/** Why what a side says on the initial subflow was not seen. */
function whyUnseen(sessions: Sessions, session: number, side: 0 | 1): UnverifiableReason {
  const subflow = firstSubflow(sessions, session);
  const at = flow.direction(subflow, sessions.higherOf(subflow, side));
  if (sessions.subflows.hot[at + flow.PACKETS] === 0) return "one-direction";
  return bitsOf(sessions, session) & CAPABLE_CUT ? "truncated" : "segment-not-seen";
}
