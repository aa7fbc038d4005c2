import type { RewrittenRecord } from "../../schema/session-record.ts";
import { MAX_REWRITTEN, SIDES } from "../../schema/session-vocabulary.ts";
import type { Sessions } from "../session/sessions.ts";
import type { Rewriting } from "../subflow/rewritings.ts";
import * as flow from "../subflow/subflow-row.ts";
import { timeText } from "./time-text.ts";

/**
 * What was rewritten between two agents on the way of a session's subflows (`members`), in the order in which it began;
 * at most MAX_REWRITTEN entries, `shedRewritten` counts the packets of others.
 */
export function rewrittenRecord(
  sessions: Sessions,
  members: readonly number[],
  agentName: (agent: number) => string,
): RewrittenRecord[] {
  return waysOf(sessions, members)
    .slice(0, MAX_REWRITTEN)
    .map(({ id, subflow, way }) => ({
      kind: way.kind,
      subflow: id,
      side: SIDES[sessions.sideOf(subflow, way.higher)],
      between: [agentName(way.before), agentName(way.after)],
      packets: way.packets,
      first: {
        at: timeText(way.atMicros),
        ssn: ssnOf(sessions, subflow, way),
        before: way.octetsBefore,
        after: way.octetsAfter,
      },
    }));
}

/** Packets rewritten in ways that `rewrittenRecord` does not list. */
export function shedRewritten(sessions: Sessions, members: readonly number[]): number {
  const { rewritings } = sessions.subflows;
  const beyond = waysOf(sessions, members).slice(MAX_REWRITTEN);
  return (
    beyond.reduce((sum, { way }) => sum + way.packets, 0) +
    members.reduce((sum, subflow) => sum + (rewritings.of(subflow)?.shed ?? 0), 0)
  );
}

function waysOf(sessions: Sessions, members: readonly number[]): { id: number; subflow: number; way: Rewriting }[] {
  return members
    .flatMap((subflow, id) => sessions.subflows.rewritings.of(subflow)?.ways.map((way) => ({ id, subflow, way })) ?? [])
    .sort((a, b) => a.way.atMicros - b.way.atMicros);
}

/** Null where the subflow's first sequence number is not known. */
function ssnOf(sessions: Sessions, subflow: number, { higher, seq }: Rewriting): number | null {
  const { hot } = sessions.subflows;
  if ((hot[subflow * flow.HOT_WORDS + flow.STATE]! & (flow.STATE_ISN << higher)) === 0) return null;
  return (seq - hot[flow.direction(subflow, higher) + flow.ISN]!) >>> 0;
}
