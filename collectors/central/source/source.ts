/** What a source counts since its start. */
export interface SourceCounters {
  readonly packets: number;
  readonly octets: number;
  /** Packets the kernel dropped because its receive buffer was full; null where the kernel does not say. */
  readonly kernelDrops: number | null;
}

/** A place from which copies arrive. Inert until started. */
export interface Source {
  /** Where it listens, for people: `udp [::]:4754`. */
  readonly name: string;
  /** Takes the socket. Throws an `OperationalError` of one line when it cannot be had. */
  start(): Promise<void>;
  /** Hands over what the kernel has queued, for at most a second, then gives the socket back. Never rejects. */
  stop(): Promise<void>;
  counters(): SourceCounters;
}

/** A stopping source takes packets until none has come for this long: what was queued before is handed over. */
const QUIET_MS = 20;
/** A line that is never quiet is left after this long. */
const STOP_LIMIT_MS = 1000;

/** Waits until `packets()` has stood still for QUIET_MS, at most STOP_LIMIT_MS. */
export async function quiet(packets: () => number): Promise<void> {
  const endMs = Date.now() + STOP_LIMIT_MS;
  let before: number;
  do {
    before = packets();
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  } while (packets() !== before && Date.now() < endMs);
}
