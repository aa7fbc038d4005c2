import { FATE_ALIVE } from "../fate.ts";
import type { PacketVector } from "../vector.ts";
import { DSS, DSS_ACK, DSS_ACK_64, DSS_DATA_FIN, DSS_DSN_64, DSS_MAPPING } from "../wire/mptcp.ts";
import { ACK, FIN, RST, SYN } from "../wire/tcp.ts";
import { FAR_INSIDE } from "./current-mapping.ts";
import type { MappingSums } from "./mapping-sums.ts";
import { TIMED_EVERY } from "./round-trip.ts";
import * as events from "./subflow-events.ts";
import * as table from "./subflow-row.ts";
import type { SubflowTable } from "./subflow-table.ts";

const HOT_LINES = 2;
const BOTH_ISNS = 3 * table.STATE_ISN;
const SLOW = table.STATE_DETACHED | table.STATE_WATCHED;

/**
 * What `SubflowStage.follow` does, for the packets that make up a session's steady state: of a known subflow whose
 * handshake was seen, copied by the same agent as the one before, with ACK and without SYN, FIN or RST, with one plain DSS
 * or no MPTCP option at all, that begins where the one before ended and whose payload lies in one mapping: the newest, or
 * the one behind it. Starts at packet `from` and returns the first packet that is none of these, or `count`.
 *
 * One loop without a call in it, so that the compiler can keep the columns' addresses in registers.
 * test/pipeline/short-ways.test.ts holds it against the general path.
 */
export function steadyFollower(
  vector: PacketVector,
  out: events.SubflowEvents,
  subflows: SubflowTable,
  mappingSums: MappingSums,
): (from: number, count: number) => number {
  return function followSteady(from, count) {
    const { view, fate, flags, mptcpAt, optionsEnd, seq, agent, atMicros, ipLength } = vector;
    const { payloadAt, payloadLength, payloadCaptured } = vector;
    const {
      kind,
      subflow,
      replaced,
      fromHigher,
      dsnHi,
      dsnLo,
      dsnForm,
      dataAt,
      dataLength,
      dataCaptured,
      ssn: outSsn,
    } = out;
    const { hot, hotFloat, sums } = subflows;
    for (let i = from; i < count; i++) {
      const flow = subflow[i]!;
      if (fate[i] !== FATE_ALIVE) {
        kind[i] = 0;
        replaced[i] = -1;
        continue;
      }
      if (flow < 0 || (flags[i]! & (SYN | FIN | RST | ACK)) !== ACK) return i;
      const base = flow * HOT_LINES * 16;
      let state = hot[base + table.STATE]!;
      if ((state & (BOTH_ISNS | SLOW)) !== BOTH_ISNS) return i;
      if (state >>> table.STATE_AGENT_SHIFT !== agent[i]! + 1) return i;

      const higher = fromHigher[i]!;
      const at = base + table.DIRECTION + higher * table.DIRECTION_WORDS;
      const payload = payloadLength[i]!;
      const ssn = (seq[i]! - hot[at + table.ISN]!) >>> 0;
      const end = (ssn + payload) >>> 0;
      if (ssn !== hot[at + table.NEXT_SSN] || end < ssn) return i;
      let begin = hot[at + table.MAPPING_SSN]!;
      let covered = hot[at + table.MAPPING_LENGTH]! & table.INFINITE;
      let checked = hot[at + table.MAPPING_LENGTH]! & table.IS_CHECKED;
      // Some packets begin a measurement (round-trip.ts).
      const packets = hot[at + table.PACKETS]! + 1;
      if (payload !== 0 && (packets & TIMED_EVERY) === 0) return i;
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
          // The first mapping with a DSN of its own is the general path's.
          const hasSum = (option + length - lengthAt) >> 2;
          if (lengthAt + 2 + hasSum * 2 !== option + length || bits & DSS_DATA_FIN || payload === 0) return i;
          if (covered === 0 || (state & (table.STATE_DSN_RELATIVE << higher)) !== 0) return i;
          const mapped = view.getUint16(lengthAt);
          const hi = wide ? view.getUint32(mapping) : 0;
          const lo = view.getUint32(lengthAt - 8);
          const ahead = (view.getUint32(lengthAt - 4) - begin) | 0;
          const form = (table.STATE_DSN_64 & -wide) << higher;
          if (ahead === 0) {
            if (mapped !== covered || lo !== hot[at + table.MAPPING_DSN_LO]) return i;
            if (hasSum !== checked >>> 31) return i;
            if (hasSum && (sums[(flow * 2 + higher) * table.SUM_WORDS]! & 0xffff) !== view.getUint16(lengthAt + 2))
              return i;
            if (hi !== hot[at + table.MAPPING_DSN_HI] || (state & (table.STATE_DSN_64 << higher)) !== form) return i;
          } else {
            // As `mayReplace` in current-mapping.ts, which says why.
            begin = (begin + ahead) >>> 0;
            if (ahead < covered || ((ssn - begin) | 0) < 0 || ((ssn - begin) | 0) + payload > mapped) return i;
            // It is summed from its first octet on.
            if (hasSum && ssn !== begin) return i;
            covered = mapped;
            checked = hasSum << 31;
            if (hasSum) {
              sums[(flow * 2 + higher) * table.SUM_WORDS + table.SUM_STATED] = view.getUint16(lengthAt + 2);
              sums[(flow * 2 + higher) * table.SUM_WORDS + table.SUM] = 0;
            }
            hot[at + table.MAPPING_DSN_HI] = hi;
            hot[at + table.MAPPING_DSN_LO] = lo;
            hot[at + table.MAPPING_SSN] = begin;
            hot[at + table.MAPPING_LENGTH] = mapped | checked;
            state = (state & ~(table.STATE_DSN_64 << higher)) | form;
            hot[base + table.STATE] = state;
          }
        } else if (((option + length - mapping) & ~2) !== 0) return i;
      }

      const inside = (ssn - begin) | 0;
      if (payload !== 0 && (inside < 0 || inside + payload > covered || inside > FAR_INSIDE)) return i;

      hotFloat[(base + table.LAST_MICROS) >> 1] = atMicros[i]!;
      hotFloat[((base + table.IP_OCTETS) >> 1) + higher]! += ipLength[i]!;
      hot[at + table.PACKETS] = packets;
      outSsn[i] = ssn;
      replaced[i] = -1;
      let meaning = option === 0 ? 0 : events.HAS_DSS;
      if (payload !== 0) {
        hot[at + table.NEXT_SSN] = end;
        const lo = (hot[at + table.MAPPING_DSN_LO]! + inside) >>> 0;
        dsnHi[i] = hot[at + table.MAPPING_DSN_HI]! + (lo < inside ? 1 : 0);
        dsnLo[i] = lo;
        dsnForm[i] =
          state & (table.STATE_DSN_RELATIVE << higher)
            ? events.DSN_RELATIVE
            : state & (table.STATE_DSN_64 << higher)
              ? events.DSN_64
              : events.DSN_32;
        dataAt[i] = payloadAt[i]!;
        dataLength[i] = payload;
        dataCaptured[i] = payloadCaptured[i]!;
        if (checked !== 0) mappingSums.addCurrent(vector, i, flow, higher, 0, payload, ssn);
        meaning |= events.DATA;
      }
      kind[i] = meaning;
    }
    return count;
  };
}
