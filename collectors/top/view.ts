import { shedIn } from "../central/report-log.ts";
import { PLAIN, type Style } from "../terminal/style.ts";
import { clip, counted, fill, grouped, hostPort, humanOctets, pad, printable } from "../terminal/text.ts";
import type { Look } from "./look.ts";

/** Where it is shown. */
export interface Room {
  /** Columns, and lines in all; null: nothing is cut. */
  readonly width: number | null;
  readonly height: number | null;
  readonly style: Style;
}

/** A line, and how it stands out. */
interface Line {
  readonly text: string;
  readonly tone?: keyof Style | null;
}

/** Sessions that are shown where any number has room. */
const MAX_SESSIONS = 20;
/** Tables that are named: the fullest ones. */
const MAX_TABLES = 6;
/** From here on a table is worth a look. */
const FULL = 0.8;
/** A record that has waited for so long is worth one, too. */
const OLD_MS = 60_000;

/** What two looks at a collector say, as lines: rates are those between the two, `-` where there is but one. */
export function view(look: Look, before: Look | null, { width, height, style }: Room = NOWHERE): string[] {
  const head = [...summary(look, before), { text: "" }];
  const left = height === null ? Number.POSITIVE_INFINITY : height - head.length;
  // Agents have a third of what is left, sessions the rest.
  const agents = agentLines(look, before).slice(0, Math.max(3, Math.floor(left / 3)));
  const sessions = sessionLines(look, before, width);
  const most = height === null ? MAX_SESSIONS + 1 : Math.max(0, left - agents.length - 1);
  const lines: Line[] = [...head, ...agents, { text: "" }, ...sessions.slice(0, most)];
  return lines.slice(0, height ?? lines.length).map(({ text, tone = null }) => {
    // Whoever answers may say anything, in every field.
    const shown = printable(text);
    const cut = (width === null ? shown : clip(shown, width)).trimEnd();
    return tone === null ? cut : style[tone](cut);
  });
}

const NOWHERE: Room = { width: null, height: null, style: PLAIN };

/** How much something has grown each second between two looks; `-` where there is but one, or a restart between them. */
type Rate = (of: (totals: Look["totals"]) => number) => number | null;

function rateOf({ totals: now }: Look, before: Look | null): Rate {
  const seconds = before === null ? 0 : (now.uptimeMs - before.totals.uptimeMs) / 1000;
  return (of) => (before === null || seconds <= 0 ? null : Math.max(0, of(now) - of(before.totals)) / seconds);
}

const perSecond = (rate: number | null): string => `${rate === null ? "-" : grouped(Math.round(rate))}/s`;

function summary(look: Look, before: Look | null): Line[] {
  const { totals: now, agents } = look;
  const rate = rateOf(look, before);
  const bits = rate(({ sources }) => sum(sources, ({ octets }) => octets * 8));
  const drops = sum(now.sources, ({ kernelDrops }) => kernelDrops ?? 0);
  const strangers = now.totals.packets["decapsulate/agent-unknown"] ?? 0;
  const lost = sum(agents.agents, (agent) => agent.lost);
  const shed = shedIn(now.records);
  const { stored, storedOctets, oldestMs } = now.records;
  const { sessions, flows } = now.totals;
  const doubt = (isDoubtful: boolean) => (isDoubtful ? "doubt" : null);
  const fullest = Object.entries(now.tables)
    .map(([name, { used, bound }]) => ({ name, share: used / bound }))
    .sort((a, b) => b.share - a.share)
    .slice(0, MAX_TABLES);
  return [
    {
      text: `${now.name}, rejoin ${now.version}, ${now.phase}, up ${duration(now.uptimeMs)}`,
      tone: "strong",
    },
    {
      text:
        `packets   ${perSecond(rate(({ totals }) => totals.packetsIn))}, ${bits === null ? "-" : (bits / 1e6).toFixed(1)} Mbit/s; ` +
        `dropped by the kernel ${grouped(drops)}; lost of agents ${grouped(lost)}; of strangers ${grouped(strangers)}`,
      tone: doubt(drops + lost + strangers > 0),
    },
    {
      text:
        `sessions  ${grouped(sessions.live)} open, ${perSecond(rate(({ totals }) => totals.sessions.opened))} opened, ` +
        `${perSecond(rate(({ totals }) => totals.sessions.ended))} ended; ${counted(flows.live, "subflow")}; ` +
        `never answered ${grouped(sessions.halfOpen)}`,
    },
    {
      text:
        `records   ${perSecond(rate(({ records }) => records.made))} made, ` +
        `${perSecond(rate(({ records }) => records.acknowledged))} acknowledged; ` +
        `outbox ${grouped(stored)}, ${humanOctets(storedOctets)}, the oldest ${duration(oldestMs)}; shed ${grouped(shed)}`,
      tone: doubt(shed > 0 || oldestMs > OLD_MS),
    },
    {
      text: `tables    ${fullest.map(({ name, share }) => `${name} ${Math.floor(share * 100)} %`).join(", ")}`,
      tone: doubt((fullest[0]?.share ?? 0) >= FULL),
    },
  ];
}

const AGENT_WIDTHS = [24, 10, 12, 9, 9, 12] as const;
const AGENT_TITLES = ["AGENT", "PACKETS/S", "PACKETS", "LOST", "LATE", "KERNEL LOST"];

function agentLines({ totals: { silentAgents }, agents: page, atMs }: Look, before: Look | null): Line[] {
  const idOf = ({ name, address, key, encapsulation }: (typeof page.agents)[number]) =>
    JSON.stringify([name, address, key, encapsulation]);
  const known = new Map((before?.agents.agents ?? []).map((agent) => [idOf(agent), agent.packets]));
  const seconds = (atMs - (before?.atMs ?? atMs)) / 1000;
  const row = (cells: readonly string[]) =>
    cells.map((cell, i) => fill(cell, AGENT_WIDTHS[i] ?? 0, i === 0 ? "left" : "right")).join(" ");
  const lines = page.agents
    // A socket of the collector's own has none.
    .filter(({ address }) => address !== null)
    .sort((a, b) => b.packets - a.packets)
    .map((agent): Line => {
      const grown = agent.packets - (known.get(idOf(agent)) ?? 0);
      const cells = [
        agent.name,
        seconds > 0 ? grouped(Math.max(0, Math.round(grown / seconds))) : "-",
        ...[agent.packets, agent.lost, agent.late].map(grouped),
        agent.reported === null ? "-" : grouped(agent.reported.kernelLost),
      ];
      return { text: row(cells), tone: agent.lost > 0 ? "doubt" : null };
    });
  const title: Line = { text: row(AGENT_TITLES), tone: "strong" };
  // One line, and above the others: below them there may be no room.
  const silent: Line[] =
    silentAgents.length > 0
      ? [{ text: `never sent since the start (${silentAgents.length}): ${silentAgents.join(", ")}`, tone: "doubt" }]
      : [];
  return [title, ...silent, ...(lines.length > 0 ? lines : [{ text: "nobody has sent anything yet" }])];
}

const SESSION_TITLES = ["SESSION", "INITIATOR → RESPONDER", "SUB", "OCTETS/S", "SENT", "ANSWER", "MISSING", "AGENTS"];
/** Both ends of a session, where nothing is cut, and at least; the columns beside them. */
const ENDS = { most: 45, least: 23, others: 70 };

/** Sessions in the order of their rates. */
function sessionLines({ sessions: page, atMs }: Look, before: Look | null, width: number | null): Line[] {
  const seconds = (atMs - (before?.atMs ?? atMs)) / 1000;
  const octetsOf = ({ octets }: (typeof page.sessions)[number]) => octets.initiator + octets.responder;
  const known = new Map((before?.sessions.sessions ?? []).map((session) => [session.id, octetsOf(session)]));
  const ends = width === null ? ENDS.most : Math.min(ENDS.most, Math.max(ENDS.least, width - ENDS.others));
  const widths = [8, ends, 5, 9, 7, 7, 7, 0];
  const row = (cells: readonly string[]) =>
    cells
      .map((cell, i) => pad(clip(cell, widths[i] || cell.length), widths[i] ?? 0, i < 2 ? "left" : "right"))
      .join(" ");
  const lines = page.sessions
    .map((session) => ({ session, grown: octetsOf(session) - (known.get(session.id) ?? 0) }))
    .sort((a, b) => b.grown - a.grown || octetsOf(b.session) - octetsOf(a.session))
    .map(({ session, grown }): Line => {
      const { id, initiator, responder, subflows, octets, agents, evidence, fallback } = session;
      const what = evidence !== "handshake" ? evidence : fallback === null ? "" : `plain TCP: ${fallback}`;
      const cells = [
        id.slice(0, 8),
        `${hostPort(initiator)} → ${hostPort(responder)}`,
        `${subflows.open}/${subflows.all}`,
        seconds > 0 ? humanOctets(Math.round(Math.max(0, grown) / seconds)) : "-",
        ...[octets.initiator, octets.responder, octets.missing].map(humanOctets),
        `${agents.join(", ")}${what === "" ? "" : ` (${what})`}`,
      ];
      return { text: row(cells), tone: octets.missing > 0 ? "doubt" : null };
    });
  const [some, all] = [page.sessions.length, page.live].map(grouped);
  const title =
    page.live > page.sessions.length ? `${row(SESSION_TITLES)}  (of ${some} of ${all})` : row(SESSION_TITLES);
  return [{ text: title, tone: "strong" }, ...(lines.length > 0 ? lines : [{ text: "no session is open" }])];
}

function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

const sum = <T>(list: readonly T[], of: (one: T) => number): number => list.reduce((total, one) => total + of(one), 0);
