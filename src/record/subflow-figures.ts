import type { SubflowRecord } from "../../schema/session-record.ts";
import { unagreedChecksums } from "../session/checksums.ts";
import { isRefused } from "../session/join.ts";
import { IS_JOINED, IS_PROVEN } from "../session/join-state.ts";
import * as table from "../session/session-table.ts";
import type { Sessions } from "../session/sessions.ts";
import { payloadOctets } from "../subflow/payload-count.ts";
import * as flow from "../subflow/subflow-row.ts";

type Figures = Pick<
  SubflowRecord,
  | "data"
  | "keep_alives"
  | "contradicting_mappings"
  | "misplaced_mappings"
  | "unagreed_checksums"
  | "unplaced_repeats"
  | "implausible_segments"
  | "round_trip"
>;
type DataFigures = NonNullable<Figures["data"]>["initiator"];
type RoundTrip = NonNullable<Figures["round_trip"]>["initiator"];

/** Whether the octets of a session's subflow are in no stream: its join is wrong, or nothing shows that it is the session's. */
function isStranger(sessions: Sessions, subflow: number): boolean {
  const word = sessions.join(subflow);
  const isOrphan = (sessions.table.state(sessions.sessionOf(subflow)) & table.S_ORPHAN) !== 0;
  return isRefused(word) || (!isOrphan && (word & (IS_JOINED | IS_PROVEN)) === IS_JOINED);
}

/** Payload octets of each side over all subflows of a session, but for those that are in no stream. */
export function payloadOfSides(sessions: Sessions, session: number): [number, number] {
  const sum: [number, number] = [0, 0];
  for (const subflow of sessions.subflowsOf(session)) {
    if (isStranger(sessions, subflow)) continue;
    for (const side of [0, 1] as const) {
      sum[side] += payloadOctets(sessions.subflows, subflow, sessions.higherOf(subflow, side));
    }
  }
  return sum;
}

/** What a subflow carried; `sums` are the octets of each side over all subflows. */
export function subflowFigures(sessions: Sessions, subflow: number, sums: readonly [number, number]): Figures {
  const { cold, resets, seldom } = sessions.subflows;
  const base = subflow * flow.COLD_WORDS;
  const misplacedMappings = seldom.misplaced.get(subflow) ?? 0;
  const unagreed = unagreedChecksums(sessions, subflow);
  const unplaced = seldom.unplacedRepeats.get(subflow) ?? 0;
  const refused = (seldom.implausible.get(subflow) ?? 0) + resets.refuted(subflow);
  return {
    data: { initiator: dataFigures(sessions, subflow, 0, sums), responder: dataFigures(sessions, subflow, 1, sums) },
    keep_alives: cold[base + flow.KEEP_ALIVES]!,
    contradicting_mappings: cold[base + flow.CONTRADICTIONS]!,
    ...(misplacedMappings === 0 ? {} : { misplaced_mappings: misplacedMappings }),
    ...(unagreed === 0 ? {} : { unagreed_checksums: unagreed }),
    ...(unplaced === 0 ? {} : { unplaced_repeats: unplaced }),
    ...(refused === 0 ? {} : { implausible_segments: refused }),
    round_trip: { initiator: roundTrip(sessions, subflow, 0), responder: roundTrip(sessions, subflow, 1) },
  };
}

function dataFigures(sessions: Sessions, subflow: number, side: 0 | 1, sums: readonly [number, number]): DataFigures {
  const { cold, watched } = sessions.subflows;
  const higher = sessions.higherOf(subflow, side);
  const at = subflow * flow.COLD_WORDS + higher;
  const octets = payloadOctets(sessions.subflows, subflow, higher);
  // What waits for its mapping has none so far.
  const held = watched.get(subflow)?.[higher]?.heldOctets ?? 0;
  const isOutside = isStranger(sessions, subflow);
  return {
    octets,
    share: sums[side] === 0 || isOutside ? null : Math.round((octets / sums[side]) * 10_000) / 10_000,
    retransmissions: cold[at + flow.RETRANSMITTED]!,
    out_of_order: cold[at + flow.OUT_OF_ORDER]!,
    reinjected_octets: cold[at + flow.REINJECTED]!,
    unmapped_octets: cold[at + flow.UNMAPPED]! + held,
    ...(isOutside ? { refused_octets: octets } : {}),
  };
}

function roundTrip(sessions: Sessions, subflow: number, side: 0 | 1): RoundTrip {
  const { cold } = sessions.subflows;
  const at = subflow * flow.COLD_WORDS + sessions.higherOf(subflow, side);
  const least = cold[at + flow.ROUND_TRIP_MIN]!;
  return least === 0 ? null : { min_micros: least, smoothed_micros: cold[at + flow.ROUND_TRIP_SMOOTHED]! };
}
