import type { SessionRecord, SubflowRecord } from "../../schema/session-record.ts";
import { RESET_REASONS, SIDES } from "../../schema/session-vocabulary.ts";
import type { Sessions } from "../session/sessions.ts";
import { timeText } from "./time-text.ts";

/** Flag T of MP_TCPRST (RFC 8684 §3.6). */
const TRANSIENT = 0x01;

/** MP_FAILs and options without meaning, as a session's record tells them; nothing where there were none. */
export function rareRecord(
  sessions: Sessions,
  session: number,
  members: readonly number[],
): Pick<SessionRecord["mptcp"], "mp_fail" | "options"> {
  const said = sessions.rare.options.get(session);
  if (said === undefined) return {};
  const record: Pick<SessionRecord["mptcp"], "mp_fail" | "options"> = {};
  if (said.fails.length > 0) {
    record.mp_fail = said.fails.map(({ side, subflow, offset, atMicros }) => ({
      side: SIDES[side],
      subflow: members.includes(subflow) ? members.indexOf(subflow) : null,
      offset,
      at: timeText(atMicros),
    }));
  }
  if (said.malformed + said.repeated + said.unknown.length + said.unproven > 0) {
    const unknown = said.unknown.map((one) => ({ ...one }));
    record.options = { malformed: said.malformed, unknown: unknown.sort((a, b) => a.subtype - b.subtype) };
    if (said.repeated > 0) record.options.repeated = said.repeated;
    if (said.unproven > 0) record.options.unproven = said.unproven;
  }
  return record;
}

/** What MP_PRIO changed on a subflow; nothing where there was none. */
export function priorityRecord(sessions: Sessions, session: number, subflow: number): Pick<SubflowRecord, "priority"> {
  const all = sessions.rare.options.get(session)?.priorities ?? [];
  const own = all.filter((one) => one.subflow === subflow);
  if (own.length === 0) return {};
  return { priority: own.map(({ side, backup, atMicros }) => ({ side: SIDES[side], backup, at: timeText(atMicros) })) };
}

/** The MP_TCPRST of a subflow; nothing where there was none. */
export function resetRecord(sessions: Sessions, subflow: number): Pick<SubflowRecord["close"], "mp_tcprst"> {
  const said = sessions.rare.resets.get(subflow);
  if (said === undefined) return {};
  const { side, flags, reason } = said;
  const name = reason < RESET_REASONS.length - 1 ? RESET_REASONS[reason] : undefined;
  return {
    mp_tcprst: {
      side: SIDES[side],
      reason: name ?? "unknown",
      code: reason,
      transient: (flags & TRANSIENT) !== 0,
    },
  };
}
