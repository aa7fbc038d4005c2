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

/** Warns of packets that the kernel lost, and of copies not made, since the counters `before` (null: since the start). */
export function warnOfLosses(log: Pick<Logger, "warn">, counters: AgentCounters, before: AgentCounters | null): void {
  const lost = counters.lost - (before?.lost ?? 0);
  if (lost > 0) {
    log.warn(
      `this host's kernel dropped ${counted(lost, "packet")} before the agent saw them: it came to them too late`,
    );
  }
  const limited = counters.limited - (before?.limited ?? 0);
  if (limited > 0) log.warn(`${copies(limited)} not made: they would have taken more than limits.mbitPerSecond`);
  const dropped = counters.dropped - (before?.dropped ?? 0);
  if (dropped > 0) {
    log.warn(
      `${copies(dropped)} not made: the send queue was full, for the kernel does not send them as fast as they come`,
    );
  }
}

/** What a warning says of the way to one collector. */
export interface SendingState {
  readonly address: string;
  /** Null for GRE as IP protocol 47, which has none. */
  readonly port: number | null;
  /** Name of the error of the latest copy that failed; null when none did. */
  readonly lastError: string | null;
}

/** Copies to a collector that were not refused for so long, and it is taken to have answered again. */
const ANSWERED_MS = 60_000;

/** Warns of what goes wrong on the way to one collector. */
export class TunnelWarnings {
  private readonly log: Pick<Logger, "warn">;
  /** Whether copies that are cut are worth a word: nobody asked for it. */
  private tellsCut: boolean;
  private failed = 0;
  private refused = 0;
  /** What had been sent, and when, at the latest refusal; null where nobody has to be told that it answers again. */
  private silent: { readonly sent: number; readonly atMs: number } | null = null;

  /** @param tellsCut whether copies are to be whole, so that one that is cut is worth a line */
  constructor(log: Pick<Logger, "warn">, tellsCut: boolean) {
    this.log = log;
    this.tellsCut = tellsCut;
  }

  /**
   * Warns at once that nobody listens, and not again until copies went a minute without a refusal; and of the first
   * copy that is cut. `room`: octets of a packet that a copy holds. To be called every second or so.
   */
  look({ address, port }: SendingState, { refused, sent, cut }: TunnelCounters, room: number, nowMs: number): void {
    if (refused > this.refused) {
      const place = port === null ? address : `${address} port ${port}`;
      if (this.silent === null) this.log.warn(`nobody listens at ${place}; is the collector running?`);
      this.silent = { sent, atMs: nowMs };
    } else if (this.silent !== null && sent > this.silent.sent && nowMs - this.silent.atMs >= ANSWERED_MS) {
      this.silent = null;
    }
    this.refused = refused;
    if (this.tellsCut && cut > 0) {
      this.tellsCut = false;
      this.log.warn(
        `packets of more than ${room} octets are cut: no longer copies fit the way to ${address}; ` +
          "a larger MTU on it, or fragment: true, has them whole",
      );
    }
  }

  /** Warns of copies that failed since the last report. */
  report({ address, lastError }: SendingState, { failed }: TunnelCounters): void {
    const more = failed - this.failed;
    if (more > 0) this.log.warn(`${copies(more)} could not be sent to ${address} (${lastError})`);
    this.failed = failed;
  }
}

const copies = (count: number): string => `${count} ${count === 1 ? "copy" : "copies"}`;
