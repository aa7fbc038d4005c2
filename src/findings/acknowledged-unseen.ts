import type { SessionRecord } from "../../schema/session-record.ts";
import type { SIDES } from "../../schema/session-vocabulary.ts";
import { counted } from "./finding.ts";

/** What an agent loses of its copies is less than this share of a stream, and may be a segment or two of a short one. */
const LOSS_SHARE = 0.05;
const LOSS_OCTETS = 3000;

/** What of a side's stream was acknowledged and is not in it: octets that no agent saw, and those seen without their mapping. */
export function acknowledgedUnseen(
  { stream, subflows }: SessionRecord["mptcp"],
  side: (typeof SIDES)[number],
): { readonly uncopied: number; readonly unmapped: number } {
  const octets = stream[side].unseen_octets ?? 0;
  if (octets === 0) return { uncopied: 0, unmapped: 0 };
  let withoutMapping = 0;
  for (const { data } of subflows) {
    // What came on somebody else's join is none of the stream.
    if (!data?.[side].refused_octets) withoutMapping += data?.[side].unmapped_octets ?? 0;
  }
  const unmapped = Math.min(octets, withoutMapping);
  return { uncopied: octets - unmapped, unmapped };
}

/** `12,000 octets of the initiator (40 %)`; null where so few may be what an agent loses. */
export function shareWorthTelling(
  { stream }: SessionRecord["mptcp"],
  side: (typeof SIDES)[number],
  octets: number,
): string | null {
  const share = octets / (stream[side].acknowledged ?? 0);
  if (octets < LOSS_OCTETS || share < LOSS_SHARE) return null;
  return `${counted(octets, "octet")} of the ${side} (${Math.round(share * 100)} %)`;
}
