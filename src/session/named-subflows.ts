import { payloadOctets } from "../subflow/payload-count.ts";
import { IS_JOINED, IS_PROVEN } from "./join-state.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/** In what is kept of a session: a subflow that is no longer the session's, and whose number is another one's by now. */
export const NO_SUBFLOW = 0xffffffff;

/**
 * A subflow leaves its session, and its number will be another's: what the session's entries say of it they say of `heir`,
 * the same subflow with other addresses, or of NO_SUBFLOW. A MP_PRIO and a probe of a closed window have their place with
 * their subflow only, and go.
 */
export function renameSubflow(sessions: Sessions, session: number, subflow: number, heir: number): void {
  const isNamed = (one: { readonly subflow: number }): boolean => one.subflow === subflow;
  const renamed = <T extends { readonly subflow: number }>(one: T): T =>
    one.subflow === subflow ? { ...one, subflow: heir } : one;
  const said = sessions.rare.options.get(session);
  // Looked at before anything is made anew: most that leave are joins of a flood, which are named nowhere.
  if (said?.priorities.some(isNamed)) {
    const priorities = said.priorities.map(renamed).filter((one) => one.subflow !== NO_SUBFLOW);
    sessions.rare.allotments.options.free(said.priorities.length - priorities.length);
    said.priorities = priorities;
  }
  if (said?.fails.some(isNamed)) said.fails = said.fails.map(renamed);
  const hasBrought = mayHaveBrought(sessions, session, subflow);
  for (const stream of [session * 2, session * 2 + 1]) {
    if (hasBrought) sessions.memory.rename(stream, subflow, heir);
    const probes = sessions.rare.windowProbes.get(stream);
    if (probes?.newest.some(isNamed)) {
      const newest = probes.newest.map(renamed).filter((one) => one.subflow !== NO_SUBFLOW);
      sessions.rare.allotments.probes.free(probes.newest.length - newest.length);
      probes.newest = newest;
    }
    const repeats = sessions.rare.repeats.get(stream);
    if (!repeats?.conflicts.some((one) => isNamed(one) || isNamed(one.again))) continue;
    repeats.conflicts = repeats.conflicts.map((one) => ({ ...renamed(one), again: renamed(one.again) }));
  }
  const { words } = sessions.table;
  const fallback = session * table.SESSION_WORDS + table.FALLBACK_SUBFLOW;
  if (words[fallback] === subflow) words[fallback] = heir;
}

/** Whether octets of a subflow can be in a stream: a flood of joins that prove nothing shall cost no search. */
function mayHaveBrought(sessions: Sessions, session: number, subflow: number): boolean {
  const isProven = (sessions.join(subflow) & (IS_JOINED | IS_PROVEN)) !== IS_JOINED;
  if (!isProven && (sessions.table.state(session) & table.S_ORPHAN) === 0) return false;
  return payloadOctets(sessions.subflows, subflow, 0) + payloadOctets(sessions.subflows, subflow, 1) > 0;
}
