import type { SessionRecord, SubflowRecord } from "../../schema/session-record.ts";

/** Segments of a session's end may come so long after one of its subflows was reset. */
const RESET_SECONDS = 1;
/** A path may be silent for so long while others carry the session. */
const SILENT_SECONDS = 10;

/**
 * How a path was lost while its session went on, in words: it was reset, or nothing came on it any more though nobody
 * closed it. Null where neither is so. What a record does not tell: whether a silent path could have carried anything.
 */
export function lostPath({ event }: SessionRecord, { end, close }: SubflowRecord): string | null {
  const seconds = (Date.parse(event.end) - Date.parse(end)) / 1000;
  if (close.reason === "reset" && seconds >= RESET_SECONDS) return `died ${before(seconds)}`;
  if (close.reason === "open" && seconds >= SILENT_SECONDS) return `fell silent ${before(seconds)}`;
  return null;
}

/** Paths of a session that were lost while it went on, in a sentence; null where there are none. */
export function lostPaths(record: SessionRecord): string | null {
  const lost = record.mptcp.subflows.flatMap((subflow) => {
    const words = lostPath(record, subflow);
    return words === null ? [] : [`subflow ${subflow.id} ${words}`];
  });
  return lost.length === 0 ? null : lost.join(", ");
}

const before = (seconds: number): string => `${seconds.toFixed(1)} s before the session's last packet`;
