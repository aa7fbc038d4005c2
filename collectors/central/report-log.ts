import type { Logger } from "pino";
import type { OutboxStats } from "../outbox/outbox.ts";
import { counted, grouped } from "../terminal/text.ts";
import type { CollectorReport } from "./collector-contract.ts";

/** Logs what a collector has counted since its start, as one line. */
export function logReport(log: Logger, report: CollectorReport, message: string): void {
  const { totals, sources, agents, records } = report;
  log.info(
    {
      packetsIn: totals.packetsIn,
      packets: totals.packets,
      sessions: totals.sessions,
      subflows: totals.subflows,
      verdicts: totals.verdicts,
      findings: totals.findings,
      shed: totals.shed,
      records,
      ...(report.streams === null ? {} : { streams: report.streams }),
      ...(report.plainTcp === null ? {} : { plainTcp: report.plainTcp }),
      sources,
      agentsLost: Object.fromEntries(agents.filter(({ lost }) => lost > 0).map(({ name, lost }) => [name, lost])),
      agentsSilent: report.silentAgents,
      faultPackets: report.faultPackets,
    },
    message,
  );
}

/** Packets whose session, or subflow, found no room. */
const FULL = ["session/table-full", "subflow/table-full"] as const;

/** Packets of senders that are on no list. */
const STRANGERS = "decapsulate/agent-unknown";

/** Agents that one warning names. */
const MAX_NAMED = 5;

/**
 * Warns, in a line for each, of what was lost since the report `before` (null: since the start): because a table was full,
 * because nobody knows who sent it, because the kernel's queue of a source was, or because a socket was left unread.
 * Who may send and never did is named once.
 */
export function warnOfLosses(log: Pick<Logger, "warn">, report: CollectorReport, before: CollectorReport | null): void {
  for (const fate of FULL) {
    const packets = (report.totals.packets[fate] ?? 0) - (before?.totals.packets[fate] ?? 0);
    if (packets === 0) continue;
    const [what] = fate.split("/");
    log.warn(
      { fate, packets },
      `the table of ${what}s is full of others that nothing may be evicted for: ${packets} packets of new ones are in no record`,
    );
  }
  const strangers = (report.totals.packets[STRANGERS] ?? 0) - (before?.totals.packets[STRANGERS] ?? 0);
  if (strangers > 0 && report.stranger !== null) {
    const { address, key } = report.stranger;
    log.warn(
      { fate: STRANGERS, packets: strangers, address, key },
      `${counted(strangers, "packet")} of senders that no --agent names: refused, and in no record; the last came from ${address} ` +
        (key === null ? "without a key" : `with key ${key}`),
    );
  }
  const silent = report.silentAgents.filter((name) => !before?.silentAgents.includes(name));
  if (silent.length > 0) {
    const named = silent.slice(0, MAX_NAMED).join(", ");
    const others = silent.length > MAX_NAMED ? ` and ${silent.length - MAX_NAMED} others` : "";
    log.warn(
      { silent },
      `nothing has come since the start of ${counted(silent.length, "agent")} that may send: ${named}${others}; ` +
        "either they do not run, or something is in the way, or they send from another address or with another key",
    );
  }
  const behind = (report.plainTcp?.shed.behind ?? 0) - (before?.plainTcp?.shed.behind ?? 0);
  if (behind > 0) {
    log.warn(
      { behind },
      `the disk of plainTcp.directory takes less than is told: ${counted(behind, "packet")} of sessions as plain TCP are in no capture`,
    );
  }
  for (const { name, kernelDrops, unreadOctets } of report.sources) {
    const known = before?.sources.find((source) => source.name === name)?.kernelDrops ?? 0;
    const dropped = (kernelDrops ?? 0) - known;
    if (dropped > 0) {
      log.warn(
        { source: name, kernelDrops },
        `${name}: this host's kernel dropped ${counted(dropped, "packet")}, its queue for the socket was full: agents send faster ` +
          "than they are taken; --receive-buffer-mib makes room for bursts",
      );
    }
    if (!unreadOctets) continue;
    log.warn(
      { source: name, unreadOctets },
      `${name}: ${grouped(unreadOctets)} octets were left in the socket at the end and are in no record. Where agents go on ` +
        "sending some always are: end them first; for what had come before --drain-seconds gives more time",
    );
  }
}

/** `records: 12 made = 10 acknowledged + 0 stored + 2 shed`, and by what the shed ones were. */
export function recordsLine(records: CollectorReport["records"]): string {
  const { made, acknowledged, stored, shed } = records;
  const reasons = Object.entries(shed).map(([label, count]) => `${label} ${count}`);
  return (
    `records: ${made} made = ${acknowledged} acknowledged + ${stored} stored + ${shedIn(records)} shed` +
    (reasons.length > 0 ? ` (${reasons.join(", ")})` : "")
  );
}

/** Records that were shed since the start, for whatever reason. */
export function shedIn({ shed }: OutboxStats): number {
  return Object.values(shed).reduce((sum, count) => sum + count, 0);
}

/** Of `shedIn`, records that the sink will never take, however long it is given. */
export function refusedIn({ shed }: OutboxStats): number {
  return Object.entries(shed).reduce((sum, [label, count]) => (label.startsWith("refused/") ? sum + count : sum), 0);
}
