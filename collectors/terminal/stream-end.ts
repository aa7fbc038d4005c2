import type { SessionRecord } from "../../schema/session-record.ts";
import { SIDES } from "../../schema/session-vocabulary.ts";

/** What keeps a side's stream, none of whose octets is known to be missing, from being complete; null where it is. */
export type StreamEnd = "unseen" | "unconfirmed" | "beginning-unseen" | null;

/**
 * A side may have stated where its stream ends (`close.by`) without that anything confirmed it: not all octets before it
 * were seen, nor was it acknowledged (RFC 8684 §3.3.3). While a session lives, its record does not say that much.
 */
export function streamEnd({ mptcp }: SessionRecord, side: (typeof SIDES)[number]): StreamEnd {
  const { close, stream, session } = mptcp;
  if (stream[side].complete) return null;
  if (close?.reason !== "fin" || (close.by !== "both" && close.by !== side)) return "unseen";
  return session.evidence === "handshake" ? "unconfirmed" : "beginning-unseen";
}

/** The same in words. */
export const STREAM_END_WORDS = {
  unseen: "its end was not seen",
  unconfirmed: "its end was stated and not confirmed",
  "beginning-unseen": "its beginning was not seen",
} as const satisfies Record<NonNullable<StreamEnd>, string>;

const ORDER = ["unseen", "unconfirmed", "beginning-unseen"] as const;

/** Of both streams, what the reader should know first. */
export function worseStreamEnd(record: SessionRecord): StreamEnd {
  const ends = SIDES.map((side) => streamEnd(record, side));
  return ORDER.find((end) => ends.includes(end)) ?? null;
}
