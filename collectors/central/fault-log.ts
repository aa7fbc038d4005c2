import type { Logger } from "pino";

/** Faults are logged no more often than this: the same one may come with every packet. */
const FAULT_LOG_MS = 1000;

/** Where faults of our own go, which end nothing. The packets themselves are not logged: a handshake carries keys. */
export class FaultLog {
  private readonly log: Pick<Logger, "error">;
  private toldMs = Number.NEGATIVE_INFINITY;

  constructor(log: Pick<Logger, "error">) {
    this.log = log;
  }

  /** Logs a fault, unless one was logged a moment ago. */
  tell(error: unknown): void {
    if (performance.now() - this.toldMs < FAULT_LOG_MS) return;
    this.toldMs = performance.now();
    this.log.error({ stack: error instanceof Error ? error.stack : String(error) }, "fault in the pipeline; going on");
  }

  /** Does some work. Never throws: what the work throws is told. */
  guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.tell(error);
    }
  }
}
