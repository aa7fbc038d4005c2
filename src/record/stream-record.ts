import type { StreamRecord } from "../../schema/session-record.ts";
import { MAX_MISSING } from "../../schema/session-vocabulary.ts";
import { acknowledgedOf } from "../session/acknowledged.ts";
import * as table from "../session/session-table.ts";
import type { Sessions } from "../session/sessions.ts";
import { streamEnd } from "../session/stream-end.ts";
import { checksumRecord } from "./checksum-record.ts";

interface Hole {
  readonly offset: number;
  readonly length: number;
}

type RepeatCounts = Pick<StreamRecord, "repeated_octets" | "reinjected_octets" | "not_compared_octets">;

const NO_REPEATS = {
  conflicting: 0,
  conflicts: [],
  conflicts_left_out: 0,
  repeated_octets: 0,
  reinjected_octets: 0,
  not_compared_octets: 0,
};

/** What one side sent, as the record tells it. `isDigested`: digests were asked for, `agentName` names who copied. */
export function streamRecord(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  isDigested: boolean,
  agentName: (agent: number) => string,
): StreamRecord {
  const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
  const { floats, words } = sessions.table;
  const contiguous = floats[half + (table.CONTIGUOUS >> 1)]!;
  const finAt = streamEnd(sessions, session, side) ?? -1;
  const cutOctets = floats[half + (table.CUT >> 1)]!;
  const stream = session * 2 + side;
  const holes = unseen(sessions, stream, words[half * 2 + table.OUT_OF_ORDER]!, contiguous, finAt);
  const cuts = cutRanges(sessions, stream, words[session * table.SESSION_WORDS + table.CUT_RANGES + side]! & 0xff);
  const highest = floats[half + (table.HIGHEST >> 1)]!;
  const firstCut = floats[half + (table.FIRST_CUT >> 1)]!;
  const missing = [...holes.list, ...cuts].sort((a, b) => a.offset - b.offset);
  const missingOctets = holes.octets + cutOctets;
  const state = sessions.table.state(session);
  // Without a handshake the stream has a first octet that was seen, and none that is known to be its first.
  const isWhole = (state & (table.S_ORPHAN | table.S_MIDSTREAM)) === 0;
  const probes = sessions.rare.windowProbes.get(stream);
  return {
    octets: floats[half + (table.OCTETS >> 1)]!,
    contiguous: firstCut === 0 ? contiguous : Math.min(contiguous, firstCut - 1),
    missing: missing.slice(0, MAX_MISSING),
    missing_octets: missingOctets,
    checksum: checksumRecord(sessions, session, side),
    ...coverageFields(sessions, session, side),
    ...repeatFields(sessions, session, stream, agentName),
    ...(probes === undefined ? {} : { window_probes: probes.octets }),
    complete: isWhole && finAt >= 0 && missingOctets === 0 && contiguous === finAt && highest <= finAt,
    ...(cutOctets > 0 ? { cut_octets: cutOctets } : {}),
    ...(isDigested
      ? digestFields(sessions, stream, isWhole && ((state & (table.S_IDSN << side)) !== 0 || sessions.isPlain(session)))
      : {}),
  };
}

/** Octets of one side's stream that are known to be missing: holes, and what was cut off copies. */
export function missingOctets(sessions: Sessions, session: number, side: 0 | 1): number {
  const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
  const { floats, words } = sessions.table;
  const finAt = streamEnd(sessions, session, side) ?? -1;
  const ranges = words[half * 2 + table.OUT_OF_ORDER]!;
  const contiguous = floats[half + (table.CONTIGUOUS >> 1)]!;
  return unseen(sessions, session * 2 + side, ranges, contiguous, finAt).octets + floats[half + (table.CUT >> 1)]!;
}

/** What the other side acknowledged, and how much of that nobody copied; null where no acknowledgment was seen. */
export function coverage(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
): { readonly acknowledged: number; readonly unseen: number } | null {
  const known = acknowledgedOf(sessions, session, side);
  if (known === null) return null;
  const finAt = streamEnd(sessions, session, side) ?? -1;
  // A FIN of either level takes one number more.
  const acknowledged = finAt >= 0 ? Math.min(known, finAt) : known;
  const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
  const { floats, words } = sessions.table;
  const stream = session * 2 + side;
  const ranges = words[half * 2 + table.OUT_OF_ORDER]!;
  let seen = Math.min(floats[half + (table.CONTIGUOUS >> 1)]!, acknowledged);
  for (let i = 0; i < ranges; i++) {
    const start = sessions.outOfOrder.start(stream, ranges, i);
    seen += Math.max(Math.min(sessions.outOfOrder.end(stream, ranges, i), acknowledged) - start, 0);
  }
  return { acknowledged, unseen: acknowledged - seen };
}

function coverageFields(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
): Pick<StreamRecord, "acknowledged" | "unseen_octets" | "unseen_share"> {
  const found = coverage(sessions, session, side);
  if (found === null) return { acknowledged: null, unseen_octets: null, unseen_share: null };
  const { acknowledged, unseen } = found;
  return {
    acknowledged,
    unseen_octets: unseen,
    unseen_share: unseen === 0 ? 0 : Math.ceil((unseen / acknowledged) * 1e6) / 1e6,
  };
}

/** What came again, and what of it was not the same. */
function repeatFields(
  sessions: Sessions,
  session: number,
  stream: number,
  agentName: (agent: number) => string,
): Pick<StreamRecord, "conflicting" | "conflicts" | "conflicts_left_out"> & RepeatCounts {
  const repeats = sessions.rare.repeats.get(stream);
  if (repeats === undefined) return NO_REPEATS;
  const members = sessions.subflowsOf(session);
  const copy = ({ subflow, agent }: { subflow: number; agent: number }, octets: Uint8Array) => ({
    subflow: members.includes(subflow) ? members.indexOf(subflow) : null,
    agent: agentName(agent),
    octets: Buffer.from(octets).toString("hex"),
  });
  return {
    conflicting: repeats.notCompared === repeats.octets ? null : repeats.conflicting,
    conflicts: repeats.conflicts.map((conflict) => ({
      offset: conflict.offset,
      length: conflict.length,
      first: copy(conflict, conflict.first),
      second: copy(conflict.again, conflict.second),
    })),
    conflicts_left_out: repeats.conflictsLeftOut,
    repeated_octets: repeats.octets,
    reinjected_octets: repeats.reinjected,
    not_compared_octets: repeats.notCompared,
  };
}

/** The cuts that are listed: the first few that came. */
function cutRanges(sessions: Sessions, stream: number, count: number): Hole[] {
  return Array.from({ length: count }, (_, i) => {
    const offset = sessions.cuts.start(stream, count, i);
    return { offset, length: sessions.cuts.end(stream, count, i) - offset };
  });
}

/** The holes between what was seen, and up to the stream's end where that is known. */
function unseen(
  sessions: Sessions,
  stream: number,
  ranges: number,
  contiguous: number,
  finAt: number,
): { list: Hole[]; octets: number } {
  const list: Hole[] = [];
  let octets = 0;
  let at = contiguous;
  const note = (end: number): void => {
    octets += end - at;
    if (list.length < MAX_MISSING) list.push({ offset: at, length: end - at });
  };
  for (let i = 0; i < ranges; i++) {
    note(sessions.outOfOrder.start(stream, ranges, i));
    at = sessions.outOfOrder.end(stream, ranges, i);
  }
  if (finAt > at) note(finAt);
  return { list, octets };
}

function digestFields(
  sessions: Sessions,
  stream: number,
  firstKnown: boolean,
): Pick<StreamRecord, "sha256"> | Required<Pick<StreamRecord, "sha256_unavailable">> {
  if (!firstKnown) return { sha256_unavailable: "first-octet-unknown" };
  const sha256 = sessions.octets.digest(stream);
  return sha256 === null ? { sha256_unavailable: "octets-shed" } : { sha256 };
}
