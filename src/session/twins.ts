import * as flow from "../subflow/subflow-row.ts";
import { hasThirdAckOf } from "./join.ts";
import * as join from "./join-state.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/**
 * The initial subflow of another session that is this session's own, seen on the other side of an address translator: a
 * key of the same side and both initial sequence numbers are the same, which only whoever saw the handshake could
 * repeat. -1 when there is none, and for a session that has been told of already.
 */
export function initialTwin(sessions: Sessions, session: number): number {
  const { table: all } = sessions;
  const subflow = sessions.firstOf(session);
  if (subflow < 0 || sessions.nextOf(subflow) >= 0 || all.state(session) & table.S_ESTABLISHED) return -1;
  for (const side of [1, 0]) {
    if ((all.state(session) & (table.S_KEY << side)) === 0 || !sessions.tokens.isShared(session, side)) continue;
    for (const stream of sessions.tokens.streamsOf(sessions.tokens.of(session, side))) {
      const other = stream >> 1;
      if (other === session || (stream & 1) !== side || !haveSameKeys(sessions, session, other)) continue;
      const twin = sessions.subflowsOf(other).find((one) => sessions.join(one) & join.IS_INITIAL);
      if (twin !== undefined && haveSameIsns(sessions, subflow, twin)) return twin;
    }
  }
  return -1;
}

/**
 * The join of the same session that this one is, seen on the other side of an address translator: token, the opener's
 * nonce, the listener's where both were seen, both initial sequence numbers and the opener's HMAC are the same. -1 when
 * there is none. A SYN anybody can repeat who saw it; the HMAC of a third ACK only who saw that, too.
 */
export function joinTwin(sessions: Sessions, subflow: number): number {
  const word = sessions.join(subflow);
  if ((word & join.SAW_SYN) === 0 || (word & join.SAW_ACK) === 0) return -1;
  const { cold } = sessions.subflows;
  const own = subflow * flow.COLD_WORDS;
  for (let other = sessions.firstOf(sessions.sessionOf(subflow)); other >= 0; other = sessions.nextOf(other)) {
    const seen = sessions.join(other);
    if (other === subflow || (seen & join.SAW_SYN) === 0) continue;
    const at = other * flow.COLD_WORDS;
    if (cold[at + flow.JOIN_TOKEN] !== cold[own + flow.JOIN_TOKEN] || cold[at + flow.NONCE] !== cold[own + flow.NONCE])
      continue;
    const bothAnswered = (seen & word & join.SAW_SYN_ACK) !== 0;
    if (bothAnswered && cold[at + flow.NONCE + 1] !== cold[own + flow.NONCE + 1]) continue;
    if (haveSameIsns(sessions, subflow, other) && hasThirdAckOf(sessions, subflow, other)) return other;
  }
  return -1;
}

/** Whether no key that both sessions know differs. */
function haveSameKeys(sessions: Sessions, a: number, b: number): boolean {
  const { words } = sessions.table;
  const known = sessions.table.state(a) & sessions.table.state(b);
  return [0, 1].every((side) => {
    if ((known & (table.S_KEY << side)) === 0) return true;
    const [atA, atB] = [table.keyAt(a, side), table.keyAt(b, side)];
    return words[atA] === words[atB] && words[atA + 1] === words[atB + 1];
  });
}

/** Whether the initial sequence numbers of both sides are known of two subflows and are the same. */
function haveSameIsns(sessions: Sessions, a: number, b: number): boolean {
  const { hot } = sessions.subflows;
  const both = 3 * flow.STATE_ISN;
  const isKnown = (subflow: number): boolean => (hot[subflow * flow.HOT_WORDS + flow.STATE]! & both) === both;
  const isn = (subflow: number, side: number): number =>
    hot[flow.direction(subflow, sessions.higherOf(subflow, side)) + flow.ISN]!;
  return isKnown(a) && isKnown(b) && isn(a, 0) === isn(b, 0) && isn(a, 1) === isn(b, 1);
}
