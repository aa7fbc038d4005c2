import { FATE_ALIVE } from "../fate.ts";
import type { PacketVector } from "../vector.ts";
import { ACK, SYN } from "../wire/tcp.ts";
import type { Fingerprints } from "./fingerprints.ts";
import type { FlowKeys } from "./flow-key.ts";
import type { SubflowEvents } from "./subflow-events.ts";
import * as table from "./subflow-row.ts";
import type { SubflowTable } from "./subflow-table.ts";
import { takeOff } from "./translations.ts";

/**
 * Makes the first `count` packets, where they are of flows that are known subflows behind an address translator, those
 * subflows' own: keys, events and what tells second copies are as without the translator.
 */
export function untranslate(
  vector: PacketVector,
  count: number,
  events: SubflowEvents,
  subflows: SubflowTable,
  keys: FlowKeys,
  fingerprints: Fingerprints,
): void {
  const { hot, translations } = subflows;
  for (let i = 0; i < count; i++) {
    const flow = events.subflow[i]!;
    // No other flow of an earlier vector is without a session.
    if (vector.fate[i] !== FATE_ALIVE || flow < 0 || hot[flow * table.HOT_WORDS + table.SESSION] !== 0) continue;
    const translation = translations.of(flow);
    if (translation === undefined) continue;
    const higher = events.fromHigher[i]! ^ translation.swapped;
    const isn = table.direction(translation.subflow, higher) + table.ISN;
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
    fingerprints.read(vector, i, i + 1);
  }
}

/** Counts the packets of a flow as second copies of a subflow's, and takes over who copied them and how it closed. */
export function takeCopies(subflows: SubflowTable, from: number, subflow: number): void {
  const { hot, cold, coldFloat, agents } = subflows;
  const source = from * table.HOT_WORDS;
  const target = subflow * table.HOT_WORDS;
  const swapped = (hot[source + table.STATE]! ^ hot[target + table.STATE]!) & table.STATE_OPENER_HIGHER ? 1 : 0;
  let copies = cold[from * table.COLD_WORDS + table.DUPLICATES]!;
  for (let higher = 0; higher < 2; higher++) {
    copies += hot[table.direction(from, higher) + table.PACKETS]!;
    if (hot[source + table.STATE]! & (table.STATE_FIN << higher))
      hot[target + table.STATE]! |= table.STATE_FIN << (higher ^ swapped);
  }
  if (hot[source + table.STATE]! & table.STATE_RESET && (hot[target + table.STATE]! & table.STATE_RESET) === 0) {
    const byHigher = ((hot[source + table.STATE]! & table.STATE_RESET_BY_HIGHER) !== 0) === (swapped === 0);
    hot[target + table.STATE]! |= table.STATE_RESET | (byHigher ? table.STATE_RESET_BY_HIGHER : 0);
  }
  cold[subflow * table.COLD_WORDS + table.DUPLICATES]! += copies;
  hot[target + table.STATE]! |= table.STATE_COPIED_TWICE;
  const start = (subflow * table.COLD_WORDS + table.START_MICROS) >> 1;
  coldFloat[start] = Math.min(coldFloat[start]!, coldFloat[(from * table.COLD_WORDS + table.START_MICROS) >> 1]!);
  for (const agent of agents.of(from)) agents.note(subflow, agent);
}
