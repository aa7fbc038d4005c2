import { FATE_ALIVE } from "../fate.ts";
import type { PacketVector } from "../vector.ts";
import { ACK, SYN } from "../wire/tcp.ts";
import type { FlowKeys } from "./flow-key.ts";
import type { MirrorDuplicates } from "./mirror-duplicates.ts";
import type { SubflowEvents } from "./subflow-events.ts";
import * as table from "./subflow-table.ts";
import { takeOff } from "./translations.ts";

/**
 * Makes the first `count` packets, where they are of flows that are known subflows behind an address translator, those
 * subflows' own: keys, events and what tells second copies are as without the translator.
 */
export function untranslate(
  vector: PacketVector,
  count: number,
  events: SubflowEvents,
  subflows: table.SubflowTable,
  keys: FlowKeys,
  duplicates: MirrorDuplicates,
): void {
  const { hot, translations } = subflows;
  for (let i = 0; i < count; i++) {
    const flow = events.subflow[i]!;
    // No other flow of an earlier vector is without a session.
    if (vector.fate[i] !== FATE_ALIVE || flow < 0 || hot[flow * table.HOT_WORDS + table.SESSION] !== 0) continue;
    const translation = translations.of(flow);
    if (translation === undefined) continue;
    const higher = events.fromHigher[i]! ^ translation.swapped;
    const isn = table.SubflowTable.direction(translation.subflow, higher) + table.ISN;
    if ((vector.flags[i]! & (SYN | ACK)) === SYN && hot[isn] !== vector.seq[i]) {
      // The translator has given the addresses to another connection.
      subflows.release(flow);
      for (let other = i; other < count; other++) if (events.subflow[other] === flow) events.subflow[other] = -1;
      continue;
    }
    subflows.agents.note(flow, vector.agent[i]!);
    takeOff(translation, vector, keys, hot, i);
    events.subflow[i] = translation.subflow;
    events.fromHigher[i] = keys.fromHigher[i]!;
    duplicates.read(vector, i, i + 1);
  }
}
