import { MAX_FAILS, MAX_PRIORITIES } from "../../schema/session-vocabulary.ts";
import { DSN_64 } from "../subflow/subflow-events.ts";
import {
  ADD_ADDR,
  MP_EXPERIMENTAL,
  MP_FAIL,
  MP_PRIO,
  MP_TCPRST,
  type MptcpOptions,
  REMOVE_ADDR,
  SUBTYPES,
} from "../wire/mptcp.ts";
import { IS_INITIAL, LISTENER_ADDRESS_ID, OPENED_BY_RESPONDER, OPENER_ADDRESS_ID } from "./join-state.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";
import { streamOffset } from "./stream-offset.ts";

/** A MP_PRIO (RFC 8684 §3.3.8): one side asks to use a subflow as a backup, or no longer. */
export interface Priority {
  /** The subflow that is meant; in version 0 it may have come on another. */
  readonly subflow: number;
  readonly side: 0 | 1;
  readonly backup: boolean;
  readonly atMicros: number;
}

/** A MP_FAIL (RFC 8684 §3.7): one side received data whose checksum was wrong. */
export interface Fail {
  /** NO_SUBFLOW when it is no longer the session's. */
  readonly subflow: number;
  readonly side: 0 | 1;
  /** Where the data lies in the other side's stream; null where that is not known. */
  readonly offset: number | null;
  readonly atMicros: number;
}

/** A MP_TCPRST (RFC 8684 §3.6): why a side reset a subflow. */
export interface ResetReason {
  readonly side: 0 | 1;
  readonly flags: number;
  readonly reason: number;
}

/** What few sessions say. Bounded: by MAX_PRIORITIES and MAX_FAILS, by subtypes, and by `RareEntries.allotments`. */
export class RareOptions {
  priorities: readonly Priority[] = [];
  fails: readonly Fail[] = [];
  /** Segments by subtype, of subtypes that no RFC gives a meaning and of MP_EXPERIMENTAL. */
  readonly unknown: { readonly subtype: number; segments: number }[] = [];
  /** Options whose length their subtype cannot have. */
  malformed = 0;
  /** Options that their segment had already (`MptcpOptions.repeated`). */
  repeated = 0;
  /** Segments whose options were not taken, because anybody can have sent them. */
  unproven = 0;
  /** MP_PRIO, MP_FAIL and MP_TCPRST beyond their bounds. */
  shed = 0;
}

const RARE = (1 << MP_PRIO) | (1 << MP_FAIL) | (1 << MP_TCPRST) | (-1 << SUBTYPES);

/** Takes MP_PRIO, MP_FAIL, MP_TCPRST, and what no RFC knows, of one segment. Returns whether a record should tell now. */
export function takeRareOptions(
  sessions: Sessions,
  session: number,
  subflow: number,
  side: 0 | 1,
  atMicros: number,
  options: MptcpOptions,
): boolean {
  const { seen, malformed, repeated } = options;
  if ((seen & RARE) === 0 && malformed + repeated === 0) return false;
  const said = rareOptionsOf(sessions, session);
  let isNew = false;
  said.malformed += malformed;
  said.repeated += repeated;
  for (let subtype = SUBTYPES; subtype <= MP_EXPERIMENTAL; subtype++) {
    if ((seen & (1 << subtype)) === 0) continue;
    const known = said.unknown.find((one) => one.subtype === subtype);
    if (known !== undefined) known.segments++;
    else said.unknown.push({ subtype, segments: 1 });
  }
  if (seen & (1 << MP_PRIO)) isNew = takePriority(sessions, session, subflow, side, atMicros, options, said);
  if (seen & (1 << MP_FAIL)) isNew = takeFail(sessions, session, subflow, side, atMicros, options, said) || isNew;
  if (seen & (1 << MP_TCPRST) && !sessions.rare.resets.has(subflow)) {
    if (sessions.rare.allotments.options.take()) {
      sessions.rare.resets.set(subflow, { side, flags: options.resetFlags, reason: options.resetReason });
    } else said.shed++;
  }
  return isNew;
}

/** What changes a session's record, and has no proof of its own as a fast close has. */
const NEEDS_PROOF = (1 << MP_PRIO) | (1 << MP_FAIL) | (1 << ADD_ADDR) | (1 << REMOVE_ADDR);

/**
 * Strikes from `options` what only a subflow of the session may say, and counts the segment: anybody can send a SYN with
 * a token that was on the wire.
 */
export function strikeUnproven(sessions: Sessions, session: number, options: MptcpOptions): void {
  if ((options.seen & NEEDS_PROOF) === 0) return;
  rareOptionsOf(sessions, session).unproven++;
  options.seen &= ~NEEDS_PROOF;
}

function rareOptionsOf(sessions: Sessions, session: number): RareOptions {
  let said = sessions.rare.options.get(session);
  if (said === undefined) {
    said = new RareOptions();
    sessions.rare.options.set(session, said);
  }
  return said;
}

/** One that says what was said before is a repetition. */
function takePriority(
  sessions: Sessions,
  session: number,
  on: number,
  side: 0 | 1,
  atMicros: number,
  options: MptcpOptions,
  said: RareOptions,
): boolean {
  const { prioBackup: backup, prioAddressId: addressId } = options;
  const isNamed = addressId >= 0;
  let isNew = false;
  let subflow = isNamed ? sessions.firstOf(session) : on;
  for (; subflow >= 0; subflow = isNamed ? sessions.nextOf(subflow) : -1) {
    if (isNamed && addressIdOf(sessions, subflow, side) !== addressId) continue;
    if (said.priorities.length >= MAX_PRIORITIES) {
      said.shed++;
      continue;
    }
    if (lastWish(said, subflow, side) === backup) continue;
    if (!sessions.rare.allotments.options.take()) {
      said.shed++;
      continue;
    }
    said.priorities = [...said.priorities, { subflow, side, backup, atMicros }];
    isNew = true;
  }
  return isNew;
}

/** What a side asked for last on a subflow, null where it did not. */
function lastWish({ priorities }: RareOptions, subflow: number, side: 0 | 1): boolean | null {
  // A loop, because one segment can mean each of many subflows.
  for (let n = priorities.length - 1; n >= 0; n--) {
    const one = priorities[n];
    if (one?.subflow === subflow && one.side === side) return one.backup;
  }
  return null;
}

/** The address id of one side's end of a subflow: 0 on the initial one. */
function addressIdOf(sessions: Sessions, subflow: number, side: 0 | 1): number {
  const word = sessions.join(subflow);
  if (word & IS_INITIAL) return 0;
  const isOpener = (side === 1) === ((word & OPENED_BY_RESPONDER) !== 0);
  return (word >>> (isOpener ? OPENER_ADDRESS_ID : LISTENER_ADDRESS_ID)) & 255;
}

function takeFail(
  sessions: Sessions,
  session: number,
  subflow: number,
  side: 0 | 1,
  atMicros: number,
  options: MptcpOptions,
  said: RareOptions,
): boolean {
  const { failDsnHi, failDsnLo } = options;
  const sender = side === 0 ? 1 : 0;
  const isKnown = (sessions.table.state(session) & (table.S_IDSN << sender)) !== 0;
  const offset = isKnown ? streamOffset(sessions, session, sender, DSN_64, failDsnHi, failDsnLo) : -1;
  const isPlace = Number.isSafeInteger(offset) && offset >= 0;
  const fail = { subflow, side, offset: isPlace ? offset : null, atMicros };
  if (said.fails.some((one) => one.subflow === subflow && one.side === side && one.offset === fail.offset))
    return false;
  if (said.fails.length >= MAX_FAILS || !sessions.rare.allotments.options.take()) {
    said.shed++;
    return false;
  }
  said.fails = [...said.fails, fail];
  return true;
}
