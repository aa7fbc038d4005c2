import type { SessionRecord } from "../../schema/session-record.ts";
import type { SIDES } from "../../schema/session-vocabulary.ts";
import { counted } from "../record/count-text.ts";

/** What an agent loses of its copies is less than this share of a stream, and may be a segment or two of a short one. */
const LOSS_SHARE = 0.05;
const LOSS_OCTETS = 3000;

/**
 * Of a side's stream, octets that were acknowledged and are not in it: no agent saw them, or without their mapping. Where no
 * acknowledgment was seen, because copies are cut inside their options, the latter alone.
 */
export function acknowledgedUnseen(
  { stream, subflows, fallback }: SessionRecord["mptcp"],
  side: (typeof SIDES)[number],
) {
  const octets = stream[side].unseen_octets ?? (fallback === null ? Number.POSITIVE_INFINITY : 0);
  let withoutMapping = 0;
  for (const { data } of octets === 0 ? [] : subflows) {
    // What came on somebody else's join is none of the stream.
    if (!data?.[side].refused_octets) withoutMapping += data?.[side].unmapped_octets ?? 0;
  }
  if (octets === Number.POSITIVE_INFINITY) return { uncopied: 0, unmapped: withoutMapping };
  const unmapped = Math.min(octets, withoutMapping);
  return { uncopied: octets - unmapped, unmapped };
}

/**
 * One of both parts in words, `12,000 octets of the initiator (40 %)`; null where so few may be what an agent loses. Where
 * only both together are more than that, the larger one is told.
 */
export function unseenWorthTelling(
  mptcp: SessionRecord["mptcp"],
  side: (typeof SIDES)[number],
  part: "uncopied" | "unmapped",
): string | null {
  const parts = acknowledgedUnseen(mptcp, side);
  const octets = parts[part];
  const all = parts.uncopied + parts.unmapped;
  const acknowledged = mptcp.stream[side].acknowledged ?? mptcp.stream[side].octets + all;
  const isMany = (some: number): boolean => some >= LOSS_OCTETS && some / acknowledged >= LOSS_SHARE;
  const isLarger = part === "uncopied" ? octets * 2 >= all : octets * 2 > all;
  if (!isMany(octets) && !(isLarger && isMany(all))) return null;
  return `${counted(octets, "octet")} of the ${side} (${Math.round((octets / acknowledged) * 100)} %)`;
}
