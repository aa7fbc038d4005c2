import type { SubflowRecord } from "../../schema/session-record.ts";
import type { Sessions } from "../session/sessions.ts";
import { payloadOctets } from "../subflow/payload-count.ts";
import * as flow from "../subflow/subflow-table.ts";

type Figures = Pick<SubflowRecord, "data" | "keep_alives" | "contradicting_mappings" | "round_trip">;
type DataFigures = NonNullable<Figures["data"]>["initiator"];
type RoundTrip = NonNullable<Figures["round_trip"]>["initiator"];

/** Payload octets of each side over all subflows of a session. */
export function payloadOfSides(sessions: Sessions, session: number): [number, number] {
  const sum: [number, number] = [0, 0];
  for (const subflow of sessions.subflowsOf(session)) {
    for (const side of [0, 1] as const) {
      sum[side] += payloadOctets(sessions.subflows, subflow, sessions.higherOf(subflow, side));
    }
  }
  return sum;
}

/** What a subflow carried; `sums` are the octets of each side over all subflows. */
export function subflowFigures(sessions: Sessions, subflow: number, sums: readonly [number, number]): Figures {
  const { cold } = sessions.subflows;
  const base = subflow * flow.COLD_WORDS;
  return {
    data: { initiator: dataFigures(sessions, subflow, 0, sums), responder: dataFigures(sessions, subflow, 1, sums) },
    keep_alives: cold[base + flow.KEEP_ALIVES]!,
    contradicting_mappings: cold[base + flow.CONTRADICTIONS]!,
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
  return {
    octets,
    share: sums[side] === 0 ? null : Math.round((octets / sums[side]) * 10_000) / 10_000,
    retransmissions: cold[at + flow.RETRANSMITTED]!,
    out_of_order: cold[at + flow.OUT_OF_ORDER]!,
    reinjected_octets: cold[at + flow.REINJECTED]!,
    unmapped_octets: cold[at + flow.UNMAPPED]! + held,
  };
}

function roundTrip(sessions: Sessions, subflow: number, side: 0 | 1): RoundTrip {
  const { cold } = sessions.subflows;
  const at = subflow * flow.COLD_WORDS + sessions.higherOf(subflow, side);
  const least = cold[at + flow.ROUND_TRIP_MIN]!;
  return least === 0 ? null : { min_micros: least, smoothed_micros: cold[at + flow.ROUND_TRIP_SMOOTHED]! };
}
