import type { SessionRecord, SubflowRecord } from "../../schema/session-record.ts";

/** Segments of a session's end may come so long after the last one of a subflow that ended with it. */
const END_SECONDS = 1;
/** A path may be silent for so long while others carry the session. */
const SILENT_SECONDS = 10;
/** How hosts end a session themselves; they close every path that they still have. */
const OWN_ENDS: readonly string[] = ["fin", "fastclose", "reset"];

const BEFORE = "before the last packet";

/**
 * How a path was lost while its session went on, in words: it was reset, or nothing came on it any more though nobody
 * closed it, not even when the hosts ended the session. Null where neither is so.
 */
export function lostPath(record: SessionRecord, subflow: SubflowRecord): string | null {
  const lost = lossOf(record, subflow);
  return lost === null ? null : `${lost} ${BEFORE}`;
}

/** Paths of a session that were lost while it went on, in a sentence; null where there are none. */
export function lostPaths(record: SessionRecord): string | null {
  const lost = record.mptcp.subflows.flatMap((subflow) => {
    const words = lossOf(record, subflow);
    return words === null ? [] : [`subflow ${subflow.id} ${words}`];
  });
  return lost.length === 0 ? null : `${lost.join(", ")} ${BEFORE}`;
}

/** A backup is silent while others carry the session, as it should be (RFC 8684 §3.3.8). */
const isBackup = ({ backup, priority }: SubflowRecord): boolean => priority?.at(-1)?.backup ?? backup;

function lossOf({ event, mptcp }: SessionRecord, subflow: SubflowRecord): string | null {
  const { end, close } = subflow;
  const seconds = (Date.parse(event.end) - Date.parse(end)) / 1000;
  const patience = OWN_ENDS.includes(mptcp.close?.reason ?? "")
    ? END_SECONDS
    : isBackup(subflow)
      ? Number.POSITIVE_INFINITY
      : SILENT_SECONDS;
  if (close.reason === "reset" && seconds >= END_SECONDS) return `died ${seconds.toFixed(1)} s`;
  if (close.reason === "open" && seconds >= patience) return `fell silent ${seconds.toFixed(1)} s`;
  return null;
}
