import type { SubflowEvents } from "../subflow/subflow-events.ts";
import * as flow from "../subflow/subflow-row.ts";
import type { PacketVector } from "../vector.ts";
import { isAcknowledgingNear } from "./acknowledgments.ts";
import { isRefused } from "./join.ts";
import * as join from "./join-state.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/** Segments of its listener that show a join to be the session's: anybody can send one, or two, in somebody's name. */
const ANSWERS = 3;

/**
 * Data of a join that nothing has shown to be the session's is not placed: anybody can send a SYN with a token that was
 * on the wire. RFC 8684 §3.2: the third ACK's HMAC shows it. Where that cannot be verified, it shows that the listener
 * goes on answering at data level, which it does only when the HMAC was right, and otherwise resets the subflow: several
 * segments, each of which acknowledges what the session's stream can have reached. Where a key is not known nothing can
 * show it, and the join is believed. Takes packet i, which has a DSS.
 */
export function proveJoin(
  sessions: Sessions,
  session: number,
  subflow: number,
  vector: PacketVector,
  seen: SubflowEvents,
  i: number,
): void {
  const word = sessions.join(subflow);
  if ((word & (join.IS_JOINED | join.IS_PROVEN)) !== join.IS_JOINED || isRefused(word)) return;
  const keys = 3 * table.S_KEY;
  if ((sessions.table.state(session) & keys) !== keys) {
    sessions.setJoin(subflow, join.IS_PROVEN);
    return;
  }
  const state = sessions.subflows.hot[subflow * flow.HOT_WORDS + flow.STATE]!;
  // RFC 8684 §3.2: a listener that answers without MP_JOIN has refused it.
  if (state & flow.STATE_SYN_ACK && (word & (join.SAW_SYN_ACK | join.CUT_SYN_ACK)) === 0) return;
  const isListener = (seen.fromHigher[i] === 1) !== ((state & flow.STATE_OPENER_HIGHER) !== 0);
  const side = sessions.sideOf(subflow, seen.fromHigher[i]!);
  // The state is that behind the vector's last packet, or behind what has waited: only a closed subflow was reset before.
  const isReset = (state & flow.STATE_RESET) !== 0 && (word & join.IS_CLOSED) !== 0;
  if (!isListener || isReset || !isAcknowledgingNear(sessions, session, side, vector, i)) return;
  const answers = (sessions.rare.answers.get(subflow) ?? 0) + 1;
  if (answers < ANSWERS) sessions.rare.answers.set(subflow, answers);
  else {
    sessions.rare.answers.delete(subflow);
    sessions.setJoin(subflow, join.IS_PROVEN);
  }
}
