import { FATE_ALIVE, fateOf } from "../fate.ts";
import { isWorth } from "../reassembly/octet-memory.ts";
import { NEAR_RANGES } from "../reassembly/stream-ranges.ts";
import * as events from "../subflow/subflow-events.ts";
import * as flow from "../subflow/subflow-row.ts";
import type { PacketVector } from "../vector.ts";
import { DSS, DSS_ACK, DSS_ACK_64 } from "../wire/mptcp.ts";
import { ACKNOWLEDGED, MAX_ACKNOWLEDGED } from "./acknowledged.ts";
import * as join from "./join-state.ts";
import type { PlacedPackets } from "./placed-packets.ts";
import { MAX_AHEAD } from "./placement.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

const COUNTED = fateOf("session/counted");
const NEITHER_DATA_NOR_DSS = ~(events.DATA | events.HAS_DSS);
const REFUSED = (join.FAILED << join.LISTENER_VERDICT) | (join.FAILED << join.OPENER_VERDICT);

/**
 * What `SessionStage.take` does, for packets that only acknowledge, or that carry data none of which was seen before and
 * whose stream has few ranges out of order; `placed` tells which these were.
 * Starts at packet `from` and returns the first packet that is none of these, or `count`.
 *
 * One loop without a call in it, like src/subflow/steady-path.ts; test/pipeline/short-ways.test.ts holds it against
 * the general path.
 */
export function steadyTaker(
  vector: PacketVector,
  seen: events.SubflowEvents,
  sessions: Sessions,
  placed: PlacedPackets,
): (from: number, count: number) => number {
  const { subflows, table: all } = sessions;
  const { wantsAll } = sessions.octets;
  return function takeSteady(from, count) {
    const { fate, view, mptcpAt, optionsEnd } = vector;
    const { kind, subflow, replaced, fromHigher, dsnForm, dsnHi, dsnLo, dataLength, dataCaptured } = seen;
    const { hot } = subflows;
    const { words, floats } = all;
    const { packet: placedPacket, stream: placedStream, offset: placedOffset } = placed;
    for (let i = from; i < count; i++) {
      if (replaced[i]! >= 0) return i;
      if (fate[i] !== FATE_ALIVE) continue;
      if ((kind[i]! & NEITHER_DATA_NOR_DSS) !== 0) return i;
      const member = subflow[i]! * flow.HOT_WORDS;
      const session = hot[member + flow.SESSION]! - 1;
      if (session < 0) return i;
      const word = hot[member + flow.JOIN]!;
      if ((word & (join.IS_JOINED | join.IS_PROVEN)) === join.IS_JOINED) return i;
      const openerHigher = (hot[member + flow.STATE]! & flow.STATE_OPENER_HIGHER) >>> 1;
      const openedByResponder = (word & join.OPENED_BY_RESPONDER) >>> 6;
      // As `Sessions.sideOf`: the opener is the initiator, unless it opened a join the other way round.
      const side = (fromHigher[i]! ^ openerHigher ^ openedByResponder) & 1;
      const base = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS;
      if ((words[base + table.PATH]! & table.READY) === 0) return i;
      const stream = session * 2 + side;
      const half = base >> 1;
      const line = half + (table.RANGES >> 1);
      // As `takeAcknowledged` in acknowledgments.ts, which takes the first, and what is far from it.
      let ahead = 0;
      if ((kind[i]! & events.HAS_DSS) !== 0 && (word & REFUSED) === 0) {
        const option = mptcpAt[i]!;
        const bits = view.getUint16(option + 2);
        if (bits >>> 12 !== DSS) return i;
        if ((bits & DSS_ACK) !== 0) {
          const at = (bits & DSS_ACK_64) !== 0 ? option + 8 : option + 4;
          const raw = floats[line + ACKNOWLEDGED]!;
          if (raw === 0 || at + 4 > optionsEnd[i]!) return i;
          ahead = (view.getUint32(at) - raw) | 0;
          if (ahead >= MAX_ACKNOWLEDGED) return i;
        }
      }
      if (kind[i]! & events.DATA) {
        if ((word & REFUSED) !== 0) return i;
        const form = dsnForm[i]!;
        if (form === events.DSN_32) return i;
        const offset =
          form === events.DSN_RELATIVE
            ? dsnLo[i]! - 1
            : ((dsnHi[i]! - words[base + table.IDSN_HI]!) | 0) * 0x100000000 +
              (dsnLo[i]! - words[base + table.IDSN_LO]!) -
              1;
        const contiguous = floats[half + (table.CONTIGUOUS >> 1)]!;
        const end = offset + dataLength[i]!;
        const present = offset + dataCaptured[i]!;
        const isCut = present < end;
        if (isCut && (words[base + table.PATH]! & table.ALL_CUTS_LISTED) === 0) return i;
        const highest = floats[half + (table.HIGHEST >> 1)]!;
        // Octets that come again are the general path's to compare.
        if (offset < contiguous || end - highest > MAX_AHEAD) return i;
        if (end > contiguous) {
          const ranges = words[base + table.OUT_OF_ORDER]!;
          if (ranges > NEAR_RANGES) return i;
          // The range behind the new octets; any that overlaps them is the general path's affair.
          let next = 0;
          while (next < ranges && floats[line + next * 2]! < end) next++;
          const touchesNext = next < ranges && floats[line + next * 2] === end;
          if (offset === contiguous) {
            if (next > 0) return i;
            floats[half + (table.CONTIGUOUS >> 1)] = touchesNext ? floats[line + 1]! : end;
          } else if (next > 0 && floats[line + next * 2 - 1]! > offset) {
            return i;
          } else if (next > 0 && floats[line + next * 2 - 1] === offset) {
            floats[line + next * 2 - 1] = touchesNext ? floats[line + next * 2 + 1]! : end;
          } else if (touchesNext) {
            floats[line + next * 2] = offset;
          } else {
            if (ranges === NEAR_RANGES) return i;
            for (let at = line + ranges * 2 - 1; at >= line + next * 2; at--) floats[at + 2] = floats[at]!;
            floats[line + next * 2] = offset;
            floats[line + next * 2 + 1] = end;
            words[base + table.OUT_OF_ORDER] = ranges + 1;
          }
          // What closed a gap has taken the range behind it in.
          if (touchesNext && floats[line + next * 2] !== offset) {
            for (let at = line + next * 2; at < line + ranges * 2 - 2; at++) floats[at] = floats[at + 2]!;
            words[base + table.OUT_OF_ORDER] = ranges - 1;
          }
          floats[half + (table.OCTETS >> 1)]! += end - offset;
          if (end > highest) floats[half + (table.HIGHEST >> 1)] = end;
          if (wantsAll ? dataCaptured[i] !== 0 : isWorth(dataCaptured[i]!, dataLength[i]!)) {
            placedPacket[placed.count] = i;
            placedStream[placed.count] = stream;
            placedOffset[placed.count] = offset;
            placed.count++;
          }
          if (isCut) {
            const firstCut = floats[half + (table.FIRST_CUT >> 1)]!;
            floats[half + (table.CUT >> 1)]! += end - present;
            if (firstCut === 0 || present < firstCut - 1) floats[half + (table.FIRST_CUT >> 1)] = present + 1;
          }
        }
      }
      if (ahead > 0) floats[line + ACKNOWLEDGED]! += ahead;
      fate[i] = COUNTED;
    }
    return count;
  };
}
