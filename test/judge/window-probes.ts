import { spawnSync } from "node:child_process";

/** Of each segment, as tshark reads it. */
const FIELDS = [
  "frame.time_epoch",
  "ip.src",
  "tcp.srcport",
  "tcp.seq_raw",
  "tcp.len",
  "tcp.options.mptcp.rawdataseqno",
  "tcp.options.mptcp.datalvllen",
  "tcp.options.mptcp.rawdataack",
];

/** Probes of closed windows, by who sent them. */
type ProbeCounts = Record<"client" | "server", number>;

/**
 * Counts the probes of closed windows in captures of one session, its ends known by the server's port, out of what tshark says
 * of options and lengths alone, whatever the octets are: one of payload, under a mapping of its own, that its receiver had
 * acknowledged before. What TCP sent again is left out.
 */
export function judgedProbes(files: readonly string[], serverPort: number): ProbeCounts {
  const rows = files.flatMap(rowsOf).sort((a, b) => (a[0] < b[0] ? -1 : 1));
  const acknowledged = { client: 0n, server: 0n };
  const seen = new Set<string>();
  const found = { client: 0, server: 0 };
  for (const [, ip, port, seq, length, dsn, mapped, ack] of rows) {
    const [own, peer] = port === String(serverPort) ? (["server", "client"] as const) : (["client", "server"] as const);
    if (ack !== "" && BigInt(ack) > acknowledged[peer]) acknowledged[peer] = BigInt(ack);
    const segment = [ip, port, seq].join(" ");
    if (length === "1" && mapped === "1" && dsn !== "" && BigInt(dsn) < acknowledged[own] && !seen.has(segment))
      found[own]++;
    if (length !== "0") seen.add(segment);
  }
  return found;
}

type Row = [
  time: string,
  ip: string,
  port: string,
  seq: string,
  length: string,
  dsn: string,
  mapped: string,
  ack: string,
];

function rowsOf(file: string): Row[] {
  const names = FIELDS.flatMap((name) => ["-e", name]);
  const asked = ["-r", file, "-T", "fields", "-E", "separator=|", ...names];
  const { status, stdout, stderr } = spawnSync("tshark", asked, { encoding: "utf8", maxBuffer: 2 ** 30 });
  if (status !== 0) throw new Error(`tshark: ${stderr}`);
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split("|") as Row);
}
