import type { Logger } from "pino";

/** What a source counts since its start. */
export interface SourceCounters {
  readonly packets: number;
  readonly octets: number;
  /** Packets the kernel dropped because its receive buffer was full; null where the kernel does not say. */
  readonly kernelDrops: number | null;
  /**
   * Octets, by the kernel's own count, that still waited for a socket when it was given back: no packet was made of
   * them. 0 while it is open; null where the kernel does not say.
   */
  readonly unreadOctets: number | null;
}

/** A place from which copies arrive. Inert until started. */
export interface Source {
  /** Where it listens, for people: `udp [::]:4754`. */
  readonly name: string;
  /** Takes the socket. Throws an `OperationalError` of one line when it cannot be had. */
  start(): Promise<void>;
  /**
   * Hands over what the kernel has queued, for at most `limitMs` and some turns of the event loop, then gives the
   * socket back. Never rejects.
   */
  stop(limitMs: number): Promise<void>;
  counters(): SourceCounters;
}

/** Says of a source that the kernel does not grant the receive buffer it was asked for, octets. */
export function warnOfBuffer(name: string, asked: number, granted: number, log: Pick<Logger, "warn">): void {
  if (granted >= asked) return;
  const remedy = `sysctl -w net.core.rmem_max=${asked}`;
  log.warn({ asked, granted }, `${name}: the kernel queues ${granted} octets instead of ${asked}: ${remedy}`);
}

/** A stopping source takes packets until none has come for this long: what was on its way is handed over. */
const QUIET_MS = 20;
/** A line that is never quiet is waited for so long; after that the queue is only emptied. */
const QUIET_LIMIT_MS = 1000;

/**
 * Waits until `packets()` has stood still for QUIET_MS, at most QUIET_LIMIT_MS; then until nothing is `queued()` in the
 * kernel. At most `limitMs` in all.
 */
export async function quiet(packets: () => number, queued: () => number | null, limitMs: number): Promise<void> {
  const beginMs = Date.now();
  let before: number;
  do {
    before = packets();
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    // After work that took longer than that, the timer is due before the socket has been looked at.
    await turn();
    await turn();
  } while (packets() !== before && Date.now() - beginMs < Math.min(QUIET_LIMIT_MS, limitMs));
  while ((queued() ?? 0) > 0 && Date.now() - beginMs < limitMs) await turn();
}

/** One turn of the event loop, in which each socket is read from. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
