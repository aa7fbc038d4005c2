import type { Logger } from "pino";

const LOG_MS = 60_000;
const POLICIES = {
  take: "a few wait in memory until it does, further ones are shed and counted",
  give: "they are asked for again until it does",
};

/** Tells once a minute that an outbox's disk takes or gives no records. */
export class DiskWarnings {
  private readonly directory: string;
  private readonly log: Pick<Logger, "warn">;
  private toldMs = Number.NEGATIVE_INFINITY;

  constructor(directory: string, log: Pick<Logger, "warn">) {
    this.directory = directory;
    this.log = log;
  }

  tell(verb: "take" | "give", error: unknown): void {
    if (performance.now() - this.toldMs < LOG_MS) return;
    this.toldMs = performance.now();
    this.log.warn(
      `${this.directory}: the disk does not ${verb} records: ${(error as Error).message}; ${POLICIES[verb]}`,
    );
  }

  /** Does something that writes; where it throws that is told. */
  guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.tell("take", error);
    }
  }
}
