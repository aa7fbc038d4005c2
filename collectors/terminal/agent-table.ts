import type { AgentRecord } from "../../schema/agent-record.ts";
import type { Style } from "./style.ts";
import { fill, grouped, humanOctets, monthToSecond, pad, printable } from "./text.ts";

const WIDTHS = [14, 20, 12, 9, 8, 8, 8, 9, 9, 11] as const;
const TITLES = [
  "UNTIL UTC",
  "AGENT",
  "PACKETS",
  "OCTETS",
  "LOST",
  "UNHEARD",
  "LATE",
  "TWICE",
  "RESTARTS",
  "KERNEL LOST",
] as const;

/**
 * The heading of agents' loss ledgers, 117 columns wide. The last one counts since the agent's start; all others are of the
 * interval.
 */
export function agentHeader(style: Style): string {
  return style.strong(line(TITLES, pad));
}

/** One agent's interval as one line that stands under `agentHeader`; a name is cut only on a terminal (`width`). */
export function agentRow(record: AgentRecord, style: Style, width: number | null): string {
  const { packets, octets, lost, unheard = 0, late, duplicate, restarted, reported } = record.rejoin.agent;
  const counts = [lost, unheard, late, duplicate, restarted].map(grouped);
  const cells = [
    monthToSecond(record.event.end),
    printable(record.agent.name),
    grouped(packets),
    humanOctets(octets),
    ...counts,
    // Of an agent that does not count itself nobody knows.
    reported == null ? "-" : grouped(reported.kernel_lost),
  ];
  const text = line(cells, width === null ? pad : fill);
  return lost + unheard > 0 ? style.doubt(text) : text;
}

function line(cells: readonly string[], stand: typeof fill): string {
  return cells.map((cell, i) => stand(cell, WIDTHS[i] ?? 0, i < 2 ? "left" : "right")).join(" ");
}
