import { FATE_ALIVE } from "../fate.ts";
import { isWorth } from "../reassembly/octet-memory.ts";
import * as events from "../subflow/subflow-events.ts";
import * as flow from "../subflow/subflow-row.ts";
import { type PacketVector, VECTOR_LENGTH } from "../vector.ts";
import { OPENED_BY_RESPONDER } from "./join-state.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/**
 * Looks ahead over a vector: the loop loads the lines of all sessions of its first `all` packets before they are needed, in
 * loops so short that the loads overlap, and begins the memory of octets with those of their payload.
 */
export function lineToucher(
  vector: PacketVector,
  seen: events.SubflowEvents,
  sessions: Sessions,
): (all: number) => void {
  const { memory, table: known, subflows } = sessions;
  const lines = {
    /** Where the lines of the packets' senders begin in the session table. */
    sides: new Uint32Array(VECTOR_LENGTH),
    /** Keeps the sums of touched lines, so that the loads are not optimised away. */
    touched: new Uint32Array(1),
  };
  return function touchLines(all) {
    const { fate } = vector;
    const { kind, dataAt, dataCaptured, dataLength, subflow, fromHigher } = seen;
    const { hot } = subflows;
    const { words } = known;
    const { sides, touched } = lines;
    let count = 0;
    let from = 0xffffffff;
    let to = 0;
    let wanted = 0;
    for (let i = 0; i < all; i++) {
      if (fate[i] !== FATE_ALIVE) continue;
      if (kind[i]! & events.DATA && isWorth(dataCaptured[i]!, dataLength[i]!)) {
        from = Math.min(from, dataAt[i]!);
        to = Math.max(to, dataAt[i]! + dataCaptured[i]!);
        wanted += dataCaptured[i]!;
      }
      const member = Math.imul(subflow[i]!, flow.HOT_WORDS);
      const session = hot[member + flow.SESSION]!;
      if (session === 0) continue;
      // As `Sessions.sideOf`: the opener is the initiator, unless it opened a join the other way round.
      const openerHigher = (hot[member + flow.STATE]! & flow.STATE_OPENER_HIGHER) >>> 1;
      const openedByResponder = (hot[member + flow.JOIN]! & OPENED_BY_RESPONDER) >>> 6;
      const side = (fromHigher[i]! ^ openerHigher ^ openedByResponder) & 1;
      sides[count++] = (session - 1) * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS;
    }
    memory.begin(vector.block, from, to, wanted);
    let sum = 0;
    for (let i = 0; i < count; i++) sum ^= words[sides[i]!]! ^ words[sides[i]! + table.RANGES]!;
    touched[0] = sum;
  };
}
