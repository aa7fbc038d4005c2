import type { Logger } from "pino";
import { counted } from "../terminal/text.ts";
import type { AgentCounters } from "./agent-contract.ts";
import type { TunnelCounters } from "./tunnel.ts";

/**
 * Logs what an agent has counted since its start, as one line that names what the kernel dropped before the agent saw it.
 * What is dropped behind the agent, in the network or by the collector's kernel, no agent knows.
 */
export function logCounters(log: Pick<Logger, "info">, counters: AgentCounters, message: string): void {
  log.info(counters, `${message}; ${counted(counters.lost, "packet")} lost in this host's kernel`);
}

/** Warns of packets that the kernel lost since the counters `before` (null: since the start). */
export function warnOfLosses(log: Pick<Logger, "warn">, counters: AgentCounters, before: AgentCounters | null): void {
  const lost = counters.lost - (before?.lost ?? 0);
  if (lost > 0) {
    log.warn(
      `this host's kernel dropped ${counted(lost, "packet")} before the agent saw them: it came to them too late`,
    );
  }
  const limited = counters.limited - (before?.limited ?? 0);
  if (limited > 0) log.warn(`${copies(limited)} not made: they would have taken more than limits.mbitPerSecond`);
}

/** What a warning says of the way to one collector. */
export interface SendingState {
  readonly address: string;
  /** Null for GRE as IP protocol 47, which has none. */
  readonly port: number | null;
  /** Name of the error of the latest copy that failed; null when none did. */
  readonly lastError: string | null;
}

/** Warns, in a line for each, of what went wrong on the way to a collector since the counters `before`. */
export function warnOfTunnel(
  log: Pick<Logger, "warn">,
  { address, port, lastError }: SendingState,
  counters: TunnelCounters,
  before: TunnelCounters | null,
): void {
  const failed = counters.failed - (before?.failed ?? 0);
  if (failed > 0) log.warn(`${copies(failed)} could not be sent to ${address} (${lastError})`);
  if (counters.refused > (before?.refused ?? 0)) {
    const place = port === null ? address : `${address} port ${port}`;
    log.warn(`nobody listens at ${place}; is the collector running?`);
  }
}

const copies = (count: number): string => `${count} ${count === 1 ? "copy" : "copies"}`;
