import { FATE_ALIVE } from "../fate.ts";
import type { PacketVector } from "../vector.ts";
import { DSS, DSS_ACK, DSS_ACK_64, DSS_DATA_FIN, DSS_DSN_64, DSS_MAPPING } from "../wire/mptcp.ts";
import { FIN, RST, SYN } from "../wire/tcp.ts";
import { FAR_INSIDE } from "./mapping.ts";
import { NEAR } from "./plausibility.ts";
import * as events from "./subflow-events.ts";
import * as table from "./subflow-table.ts";

const HOT_LINES = 2;
const BOTH_ISNS = 3 * table.STATE_ISN;
const FIRST_DSN = table.STATE_MAPPING | table.STATE_DSN_RELATIVE;

/**
 * What `SubflowStage.follow` does, for the packets that make up a session's steady state: of a known subflow whose
 * handshake was seen, copied by the same agent as the one before, without SYN, FIN or RST, and with one plain DSS or no
 * MPTCP option at all. Starts at packet `from` and returns the first packet that is none of these, or `count`.
 *
 * One loop without a call in it, so that the compiler can keep the columns' addresses in registers.
 * test/pipeline/short-ways.test.ts holds it against the general path.
 */
export function followSteady(
  vector: PacketVector,
  out: events.SubflowEvents,
  subflows: table.SubflowTable,
  from: number,
  count: number,
): number {
  const { view, fate, flags, mptcpAt, optionsEnd, seq, agent, atMicros, ipLength } = vector;
  const { payloadAt, payloadLength, payloadCaptured } = vector;
  const { kind, subflow, replaced, fromHigher } = out;
  const { hot, hotFloat, cold } = subflows;
  for (let i = from; i < count; i++) {
    const flow = subflow[i]!;
    if (fate[i] !== FATE_ALIVE) {
      kind[i] = 0;
      replaced[i] = -1;
      continue;
    }
    if (flow < 0 || (flags[i]! & (SYN | FIN | RST)) !== 0) return i;
    const base = flow * HOT_LINES * 16;
    let state = hot[base + table.STATE]!;
    if ((state & (BOTH_ISNS | table.STATE_DETACHED)) !== BOTH_ISNS) return i;
    if (state >>> table.STATE_AGENT_SHIFT !== agent[i]! + 1) return i;

    const higher = fromHigher[i]!;
    const at = base + table.DIRECTION + higher * table.DIRECTION_WORDS;
    const payload = payloadLength[i]!;
    const ssn = (seq[i]! - hot[at + table.ISN]!) >>> 0;
    const end = (ssn + payload) >>> 0;
    const ahead = (end - hot[at + table.NEXT_SSN]!) | 0;
    // More than NEAR away on either side.
    if (payload !== 0 && (ahead + NEAR) >>> 0 > 2 * NEAR) return i;
    let bits = 0;
    const option = mptcpAt[i]!;
    if (option !== 0) {
      const last = optionsEnd[i]!;
      if (option + 4 > last || view.getUint8(option + 2) >> 4 !== DSS) return i;
      const length = view.getUint8(option + 1);
      const padding = last - option - length;
      if (length < 4 || padding < 0 || padding > 3) return i;
      // Of the last four octets, those behind the option are NOP (1) or end of options (0): there is no second one.
      if ((view.getUint32(last - 4) & ((1 << (8 * padding)) - 1) & 0xfefefe) !== 0) return i;
      bits = view.getUint8(option + 3);
      const mapping = option + 4 + (bits & DSS_ACK ? (bits & DSS_ACK_64 ? 8 : 4) : 0);
      if (bits & DSS_MAPPING) {
        const wide = (bits & DSS_DSN_64) >> 3;
        const lengthAt = mapping + 8 + wide * 4;
        const rest = option + length - lengthAt - 2;
        // 2 with a checksum. The first mapping with a DSN of its own is the general path's.
        if ((state & (FIRST_DSN << higher)) !== table.STATE_MAPPING << higher) return i;
        if ((rest & ~2) !== 0 || bits & DSS_DATA_FIN) return i;
        const mapped = view.getUint16(lengthAt);
        if (mapped === 0) return i;
        hot[at + table.MAPPING_DSN_HI] = wide ? view.getUint32(mapping) : 0;
        hot[at + table.MAPPING_DSN_LO] = view.getUint32(lengthAt - 8);
        hot[at + table.MAPPING_SSN] = view.getUint32(lengthAt - 4);
        hot[at + table.MAPPING_LENGTH] = mapped;
        const forms = (table.STATE_DSN_64 | table.STATE_DSN_RELATIVE) << higher;
        state = (state & ~forms) | (table.STATE_MAPPING << higher) | ((wide * table.STATE_DSN_64) << higher);
        hot[base + table.STATE] = state;
      } else if (((option + length - mapping) & ~2) !== 0) return i;
    }

    // As `placePayload` in mapping.ts, which says why.
    const inside = (ssn - hot[at + table.MAPPING_SSN]!) | 0;
    if (inside > FAR_INSIDE && payload !== 0) return i;

    hotFloat[(base + table.LAST_MICROS) >> 1] = atMicros[i]!;
    hotFloat[((base + table.IP_OCTETS) >> 1) + higher]! += ipLength[i]!;
    hot[at + table.PACKETS]!++;
    out.ssn[i] = ssn;
    replaced[i] = -1;
    let meaning = option === 0 ? 0 : events.HAS_DSS;
    if (payload !== 0) {
      if (ahead > 0) hot[at + table.NEXT_SSN] = end;
      else cold[flow * table.COLD_WORDS + table.RETRANSMITTED + higher]!++;
      const skip = inside < 0 ? -inside : 0;
      const start = Math.max(inside, 0);
      const left = hot[at + table.MAPPING_LENGTH]! - start;
      const covered = Math.min(payload - skip, left);
      if ((state & (table.STATE_MAPPING << higher)) === 0 || covered <= 0) {
        cold[flow * table.COLD_WORDS + table.UNMAPPED]! += payload;
        if (option === 0) meaning |= events.UNMAPPED_DATA;
      } else {
        if (covered < payload) cold[flow * table.COLD_WORDS + table.UNMAPPED]! += payload - covered;
        const lo = (hot[at + table.MAPPING_DSN_LO]! + start) >>> 0;
        out.dsnHi[i] = hot[at + table.MAPPING_DSN_HI]! + (lo < start ? 1 : 0);
        out.dsnLo[i] = lo;
        out.dsnForm[i] =
          state & (table.STATE_DSN_RELATIVE << higher)
            ? events.DSN_RELATIVE
            : state & (table.STATE_DSN_64 << higher)
              ? events.DSN_64
              : events.DSN_32;
        const captured = payloadCaptured[i]! - skip;
        out.dataAt[i] = payloadAt[i]! + skip;
        out.dataLength[i] = covered;
        out.dataCaptured[i] = captured < 0 ? 0 : Math.min(captured, covered);
        meaning |= events.DATA;
      }
    }
    kind[i] = meaning;
  }
  return count;
}
