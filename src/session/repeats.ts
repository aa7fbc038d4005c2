import { MAX_CONFLICTS } from "../../schema/session-vocabulary.ts";
import type { Difference } from "../reassembly/octet-memory.ts";
import * as flow from "../subflow/subflow-row.ts";
import type { Sessions } from "./sessions.ts";

/** Octets that came again and differ: what came first, and who brought the second copy. */
export interface Conflict extends Difference {
  readonly again: { readonly subflow: number; readonly agent: number };
}

/** What came again of one stream, octets each time they did. */
export interface Repeats {
  octets: number;
  /** Of them, those that another subflow had brought first: reinjected (RFC 8684 §3.3.6). */
  reinjected: number;
  /** Of them, those that could not be compared: cut, or no longer remembered. */
  notCompared: number;
  /** Of them, those that differ from the first copy. */
  conflicting: number;
  conflicts: Conflict[];
  /** Those that a record has no room for. */
  conflictsLeftOut: number;
}

/** Counts octets of a stream that came again on a subflow, after `sessions.memory` has compared them. */
export function noteRepeated(sessions: Sessions, stream: number, octets: number, subflow: number, agent: number): void {
  const { memory } = sessions;
  let found = sessions.rare.repeats.get(stream);
  if (found === undefined) {
    found = { octets: 0, reinjected: 0, notCompared: 0, conflicting: 0, conflicts: [], conflictsLeftOut: 0 };
    sessions.rare.repeats.set(stream, found);
  }
  found.octets += octets;
  found.reinjected += memory.fromOthers;
  const higher = sessions.higherOf(subflow, stream & 1);
  flow.addOctets(sessions.subflows.cold, subflow * flow.COLD_WORDS + flow.REINJECTED + higher, memory.fromOthers);
  found.notCompared += octets - memory.compared;
  found.conflicting += memory.differing;
  for (const difference of memory.differences) {
    if (found.conflicts.length < MAX_CONFLICTS && sessions.rare.allotments.conflicts.take()) {
      found.conflicts.push({ ...difference, again: { subflow, agent } });
    } else found.conflictsLeftOut++;
  }
}
