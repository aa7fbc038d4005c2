import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { SessionRecord, SubflowRecord } from "../../schema/session-record.ts";

/** One direction as the applications counted and hashed it. */
interface Direction {
  readonly sent_bytes: number;
  readonly sent_sha256: string;
  readonly received_bytes: number;
  readonly received_sha256: string;
}

/** Whom a kernel or a packet belongs to. */
export type Host = "client" | "server";

/** A session as kernels and applications told it (test/captures/README.md). */
export interface TrueSession {
  readonly protocol: Readonly<Record<Host, "mptcp" | "mptcp-fallback" | "tcp">>;
  readonly client: string;
  readonly server: string;
  /** Null where that host had no MPTCP connection in the end. */
  readonly client_token: string | null;
  readonly server_token: string | null;
  /** Of MPTCP connections only. Behind NAT the two hosts list one subflow under two addresses. */
  readonly subflows: readonly {
    readonly client: string;
    readonly server: string;
    readonly seen_by?: readonly Host[];
  }[];
  readonly c2s?: Direction;
  readonly s2c?: Direction;
  /** How the applications closed: `fin`, `linger0` (abort), `kill`. */
  readonly end?: Readonly<Record<Host, string>>;
  readonly error?: Readonly<Record<Host, string | null>>;
  /** Whose kernel met a wrong DSS checksum: what it received is not what was sent. */
  readonly corrupted: Readonly<Record<Host, boolean>>;
}

interface Truth {
  /** MPTcpExt counters of both kernels, as far as they moved. */
  readonly counters: Readonly<Record<Host, Readonly<Record<string, number>>>>;
  readonly sessions: readonly Omit<TrueSession, "corrupted">[];
}

/**
 * Which side of the routers' work was captured: towards the `server` (all scenarios) or towards the `client` (where a
 * router changes packets). `both`: all four files, each packet in two of them.
 */
export type View = Host | "both";

/** Path of a file of a recorded scenario. */
export const scenarioPath = (scenario: string, file: string): string =>
  fileURLToPath(new URL(`../captures/${scenario}/${file}`, import.meta.url));

/** Both routers' captures of a scenario. */
export const routerFiles = (scenario: string): [string, string] => [
  scenarioPath(scenario, "router1.pcap.gz"),
  scenarioPath(scenario, "router2.pcap.gz"),
];

/** All captures of a view. */
export function viewFiles(scenario: string, view: View): string[] {
  const clientSide = [1, 2].map((n) => scenarioPath(scenario, `router${n}-access.pcap.gz`));
  if (view === "client") return clientSide;
  return view === "server" ? routerFiles(scenario) : [...routerFiles(scenario), ...clientSide];
}

const wholeTruth = (scenario: string): Truth =>
  JSON.parse(readFileSync(scenarioPath(scenario, "truth.json"), "utf8")) as Truth;

/** How often each kernel probed a closed window in a scenario. */
export function trueProbes(scenario: string): Record<Host, number> {
  const { client, server } = wholeTruth(scenario).counters;
  return { client: client.MPTcpExtWinProbe ?? 0, server: server.MPTcpExtWinProbe ?? 0 };
}

/**
 * The sessions of a scenario that packets of this view can show: those that asked for MPTCP. A SYN that the server's
 * kernel never saw with the option did not pass the server's side of the router with it.
 */
export function trueSessions(scenario: string, view: View = "server"): TrueSession[] {
  const { sessions, counters } = wholeTruth(scenario);
  const asked = view === "server" ? counters.server.MPTcpExtMPCapableSYNRX : counters.client.MPTcpExtMPCapableSYNTX;
  if (asked === undefined) return [];
  const isCorrupted = (host: Host) => counters[host].MPTcpExtDataCsumErr !== undefined;
  return sessions
    .filter(({ protocol }) => protocol.client !== "tcp")
    .map((session) => ({ ...session, corrupted: { client: isCorrupted("client"), server: isCorrupted("server") } }));
}

/** What record and truth must agree on; sorted by the initiator's end of the first subflow. */
export interface Comparable {
  readonly client: string;
  readonly server: string;
  readonly tokens: readonly (string | null)[];
  readonly subflows: readonly string[];
}

/** An end as the truth writes it: IPv6 in brackets. */
const endText = ({ ip, port }: { ip: string; port: number }): string =>
  ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;

const byClient = (a: Comparable, b: Comparable): number => (a.client < b.client ? -1 : 1);

/** A join that got an answer with an option: kernels list no other. */
const isJoined = ({ kind, join }: SubflowRecord): boolean => kind !== "joined" || join?.hmac.responder === "verified";

/** A record as a Comparable, with only those tokens that the truth has too, and without joins that came to nothing. */
export function ofRecord({ source, destination, mptcp }: SessionRecord, truth?: TrueSession): Comparable {
  const ends = mptcp.subflows
    .filter(isJoined)
    .flatMap((one) => [one, ...(one.translated ?? [])].map((ends) => ({ opener: one.opener, ...ends })))
    .map(({ opener, source, destination }) =>
      opener === "initiator"
        ? `${endText(source)} ${endText(destination)}`
        : `${endText(destination)} ${endText(source)}`,
    );
  return {
    client: endText(source),
    server: endText(destination),
    tokens: [
      truth?.client_token === null ? null : mptcp.token.initiator,
      truth?.server_token === null ? null : mptcp.token.responder,
    ],
    subflows: ends.sort(),
  };
}

/** A session of the truth as a Comparable; its subflows as this view shows them. */
export function ofTruth(session: TrueSession, view: View = "server"): Comparable {
  const { client, server, client_token, server_token } = session;
  const host = view === "both" ? undefined : view;
  const seen = session.subflows.filter(({ seen_by }) => host === undefined || (seen_by?.includes(host) ?? true));
  return {
    client,
    server,
    tokens: [client_token, server_token],
    subflows: (seen.length === 0 ? [session] : seen).map((ends) => `${ends.client} ${ends.server}`).sort(),
  };
}

/** The true session that a record is of; by the initiator's end of its first subflow. */
export const truthOf = (truth: readonly TrueSession[], { source }: SessionRecord): TrueSession | undefined =>
  truth.find(({ client }) => client === endText(source));

/** Comparables in one order. */
export const sorted = (all: readonly Comparable[]): Comparable[] => [...all].sort(byClient);

/** What a stream must begin with, as the applications hashed it. */
export interface TrueStream {
  readonly octets: number;
  readonly sha256: string;
  /** All that was sent arrived, so nothing may follow. */
  readonly isWhole: boolean;
}

/**
 * The octets of this host that pass the view. Where all arrived, they are as sent up to the router and as received
 * behind it. Of a session that broke off only what arrived is known, and on the sender's side of a router that changed
 * it not even that: undefined.
 */
export function trueStream(session: TrueSession, sender: Host, view: View): TrueStream | undefined {
  const told = sender === "client" ? session.c2s : session.s2c;
  if (told === undefined) return undefined;
  const receiver: Host = sender === "client" ? "server" : "client";
  const isWhole = told.sent_bytes === told.received_bytes;
  if (isWhole && view !== receiver) return { octets: told.sent_bytes, sha256: told.sent_sha256, isWhole };
  if (session.corrupted[receiver] && view !== receiver) return undefined;
  return { octets: told.received_bytes, sha256: told.received_sha256, isWhole };
}

/** How the session must have ended: an application that aborts, or dies, makes its kernel send MP_FASTCLOSE. */
export function trueClose({ end, error }: TrueSession): "fin" | "fastclose" | undefined {
  const ends = Object.values(end ?? { client: "fin" });
  if (ends.some((how) => how !== "fin")) return "fastclose";
  // After a time-out the kernels went on for longer than the capture did.
  return error === undefined ? "fin" : undefined;
}
