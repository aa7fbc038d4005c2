import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { SessionRecord } from "../../schema/session-record.ts";

/** One direction as the applications counted and hashed it. */
interface Direction {
  readonly sent_bytes: number;
  readonly sent_sha256: string;
  readonly received_bytes: number;
  readonly received_sha256: string;
}

/** A session as kernels and applications told it (test/captures/README.md). */
export interface TrueSession {
  readonly protocol: { readonly client: string; readonly server: string };
  readonly client: string;
  readonly server: string;
  readonly client_token: string | null;
  readonly server_token: string | null;
  readonly subflows: readonly { readonly client: string; readonly server: string }[];
  readonly c2s?: Direction;
  readonly s2c?: Direction;
}

/** Path of a file of a recorded scenario. */
const scenarioPath = (scenario: string, file: string): string =>
  fileURLToPath(new URL(`../captures/${scenario}/${file}`, import.meta.url));

/** Both routers' captures of a scenario. */
export const routerFiles = (scenario: string): [string, string] => [
  scenarioPath(scenario, "router1.pcap.gz"),
  scenarioPath(scenario, "router2.pcap.gz"),
];

/** The sessions of a scenario, without those that never spoke MPTCP. */
export function trueSessions(scenario: string): TrueSession[] {
  const { sessions } = JSON.parse(readFileSync(scenarioPath(scenario, "truth.json"), "utf8")) as {
    sessions: TrueSession[];
  };
  return sessions.filter(({ protocol }) => protocol.client !== "tcp");
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

/** A record as a Comparable. */
export function ofRecord({ source, destination, mptcp }: SessionRecord): Comparable {
  const ends = mptcp.subflows.map(({ opener, source, destination }) =>
    opener === "initiator"
      ? `${endText(source)} ${endText(destination)}`
      : `${endText(destination)} ${endText(source)}`,
  );
  return {
    client: endText(source),
    server: endText(destination),
    tokens: [mptcp.token.initiator, mptcp.token.responder],
    subflows: ends.sort(),
  };
}

/** A session of the truth as a Comparable. */
export function ofTruth({ client, server, client_token, server_token, subflows }: TrueSession): Comparable {
  return {
    client,
    server,
    tokens: [client_token, server_token],
    subflows: subflows.map((ends) => `${ends.client} ${ends.server}`).sort(),
  };
}

/** Comparables in one order. */
export const sorted = (all: readonly Comparable[]): Comparable[] => [...all].sort(byClient);
