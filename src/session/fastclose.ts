import { isKey } from "./handshake.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";
import { FASTCLOSE, noteVerdict } from "./verdicts.ts";

/**
 * Takes a MP_FASTCLOSE into its session. RFC 8684 §3.5: it carries the key of the host it is sent to, so that only a host
 * of the session can send it; with another key it is nobody's, and only noted. False then, and when it came before.
 */
export function takeFastclose(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  view: DataView,
  keyAt: number,
): boolean {
  const state = sessions.table.state(session);
  const receiver = 1 - side;
  const isRight = state & (table.S_KEY << receiver) ? isKey(sessions, session, receiver, view, keyAt) : null;
  noteVerdict(sessions, session, FASTCLOSE, side, isRight);
  if (isRight === false || state & table.S_FASTCLOSE) return false;
  sessions.table.set(session, table.S_FASTCLOSE | (side === 1 ? table.S_FASTCLOSE_BY_RESPONDER : 0));
  return true;
}
