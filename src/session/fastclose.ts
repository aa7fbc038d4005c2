import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/**
 * Takes a MP_FASTCLOSE into its session. RFC 8684 §3.5: it carries the key of the host it is sent to, so that only a host
 * of the session can send it; with another key it is nobody's, and nothing happens. False then, and when it came before.
 */
export function takeFastclose(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  view: DataView,
  keyAt: number,
): boolean {
  const { words } = sessions.table;
  const state = sessions.table.state(session);
  const receiver = 1 - side;
  if (state & table.S_FASTCLOSE) return false;
  if (state & (table.S_KEY << receiver)) {
    const at = session * table.SESSION_WORDS + table.SESSION_KEY + receiver * 2;
    if (view.getUint32(keyAt) !== words[at] || view.getUint32(keyAt + 4) !== words[at + 1]) return false;
  }
  sessions.table.set(session, table.S_FASTCLOSE | (side === 1 ? table.S_FASTCLOSE_BY_RESPONDER : 0));
  return true;
}
