import { MAX_CHECKSUM_FAILURES } from "../../schema/session-vocabulary.ts";
import { type ChecksumVerdict, judgeChecksum } from "../subflow/dss-checksum.ts";
import * as events from "../subflow/subflow-events.ts";
import { IS_INITIAL } from "./join-state.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";
import { streamOffset } from "./stream-offset.ts";

/** Why a DSS checksum could not be verified. */
export type ChecksumReason = "key-unknown" | "truncated" | "octets-missing";

/** What the DSS checksums of one subflow direction said, beside being right; mappings, each counted once. */
export interface ChecksumCounts {
  readonly wrong: Record<Exclude<ChecksumVerdict, "verified">, number>;
  readonly unverifiable: Record<ChecksumReason, number>;
  /** Such as stand on mappings though the handshake asked for none. */
  unagreed: number;
  /** The first mappings with a wrong one, by the offset of their first octet in the stream; NaN where that is unknown. */
  readonly failures: { readonly offset: number; readonly length: number }[];
}

/**
 * Verifies the checksum of a mapping, and counts it for its subflow (RFC 8684 §3.3.1). It is over the 64-bit DSN, of
 * which the option may have stated 32 bits or nothing: then the stream's IDSN must be known.
 */
export function takeChecked(sessions: Sessions, mapping: events.CheckedMapping): void {
  const { subflow, higher, form, length } = mapping;
  const session = sessions.sessionOf(subflow);
  if (session < 0) return;
  if (isUnagreed(sessions.table.state(session))) {
    countsOf(sessions, subflow, higher).unagreed++;
    return;
  }
  if (mapping.unverifiable !== null) {
    countsOf(sessions, subflow, higher).unverifiable[mapping.unverifiable]++;
    return;
  }
  const side = sessions.sideOf(subflow, higher);
  const state = sessions.table.state(session);
  const isInitial = (sessions.join(subflow) & IS_INITIAL) !== 0;
  if (side === 0 && isInitial && state & table.S_FAST_OPEN && sessions.rare.fastOpens.isMisplaced(session)) {
    countsOf(sessions, subflow, higher).unverifiable["octets-missing"]++;
    return;
  }
  const isPlaceable = (state & (table.S_IDSN << side)) !== 0;
  // Without a handshake the stream's beginning may stand on 32 bits alone.
  const isStandIn = (state & (table.S_MIDSTREAM | table.S_ORPHAN)) !== 0;
  if (form !== events.DSN_64 && (!isPlaceable || isStandIn)) {
    countsOf(sessions, subflow, higher).unverifiable["key-unknown"]++;
    return;
  }
  const offset = isPlaceable ? streamOffset(sessions, session, side, form, mapping.dsnHi, mapping.dsnLo) : Number.NaN;
  let { dsnHi, dsnLo } = mapping;
  if (form !== events.DSN_64) {
    const { words } = sessions.table;
    const at = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS;
    const first = side === 0 ? sessions.initiatorShift(session) : 0;
    const lo = words[at + table.IDSN_LO]! + 1 + offset - first;
    dsnHi = (words[at + table.IDSN_HI]! + Math.floor(lo / 0x100000000)) >>> 0;
    dsnLo = lo >>> 0;
  }
  const verdict = judgeChecksum(mapping.sum, dsnHi, dsnLo, mapping.ssn, mapping.dataLength, mapping.checksum);
  if (verdict === "verified") {
    sessions.rare.verifiedChecksums[subflow * 2 + higher]!++;
    return;
  }
  const counts = countsOf(sessions, subflow, higher);
  counts.wrong[verdict]++;
  if (verdict !== "failed" || counts.failures.length >= MAX_CHECKSUM_FAILURES) return;
  if (sessions.rare.allotments.checksums.take()) counts.failures.push({ offset, length });
}

/** Mappings of a subflow that had a checksum though the handshake asked for none. */
export function unagreedChecksums(sessions: Sessions, subflow: number): number {
  const [lower, higher] = [0, 1].map((side) => sessions.rare.checksums.get(subflow * 2 + side)?.unagreed ?? 0);
  return (lower ?? 0) + (higher ?? 0);
}

/** Whether both sides of a session's handshake were seen, and neither asked for checksums. */
function isUnagreed(state: number): boolean {
  return (state & (table.S_FLAGS | table.S_ANSWERED | table.S_CHECKSUM)) === (table.S_FLAGS | table.S_ANSWERED);
}

function countsOf(sessions: Sessions, subflow: number, higher: number): ChecksumCounts {
  const key = subflow * 2 + higher;
  let counts = sessions.rare.checksums.get(key);
  if (counts === undefined) {
    counts = {
      wrong: { failed: 0, old_byte_order: 0 },
      unverifiable: { "key-unknown": 0, truncated: 0, "octets-missing": 0 },
      unagreed: 0,
      failures: [],
    };
    sessions.rare.checksums.set(key, counts);
  }
  return counts;
}
