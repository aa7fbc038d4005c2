import type { Logger } from "pino";
import { counted } from "../terminal/text.ts";
import type { AgentCounters } from "./agent.ts";

/** What a warning says besides counts: where copies go, and the name of the error of the latest that failed. */
export interface SendingState {
  readonly address: string;
  /** Null for GRE as IP protocol 47, which has none. */
  readonly port: number | null;
  readonly lastError: string | null;
}

/**
 * Logs what an agent has counted since its start, as one line that names what the kernel dropped before the agent saw it.
 * What is dropped behind the agent, in the network or by the collector's kernel, no agent knows.
 */
export function logCounters(log: Pick<Logger, "info">, counters: AgentCounters, message: string): void {
  log.info(counters, `${message}; ${counted(counters.lost, "packet")} lost in this host's kernel`);
}

/** Warns, in a line for each, of what went wrong since the counters `before` (null: since the start). */
export function warnOfLosses(
  log: Pick<Logger, "warn">,
  counters: AgentCounters,
  before: AgentCounters | null,
  { address, port, lastError }: SendingState,
): void {
  const failed = counters.failed - (before?.failed ?? 0);
  const lost = counters.lost - (before?.lost ?? 0);
  if (failed > 0)
    log.warn(`${failed} ${failed === 1 ? "copy" : "copies"} could not be sent to ${address} (${lastError})`);
  if (lost > 0) {
    log.warn(
      `this host's kernel dropped ${counted(lost, "packet")} before the agent saw them: it came to them too late`,
    );
  }
  if (counters.refused > (before?.refused ?? 0)) {
    const place = port === null ? address : `${address} port ${port}`;
    log.warn(`nobody listens at ${place}; is the collector running?`);
  }
}
