import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pcapFile } from "../support/pcap.ts";
import type { RunPacket } from "../support/pipeline-run.ts";

/** What is asked of tshark, by the names used here. */
const FIELDS = {
  stream: "mptcp.stream",
  flow: "tcp.stream",
  from: "ip.src",
  from6: "ipv6.src",
  fromPort: "tcp.srcport",
  to: "ip.dst",
  to6: "ipv6.dst",
  toPort: "tcp.dstport",
  place: "mptcp.dsn",
  expectedToken: "mptcp.expected_token",
  subtypes: "tcp.options.mptcp.subtype",
  version: "tcp.options.mptcp.version",
  senderKey: "tcp.options.mptcp.sendkey",
  receiverKey: "tcp.options.mptcp.recvkey",
  token: "tcp.options.mptcp.recvtok",
  nonce: "tcp.options.mptcp.sendrand",
  shortHmac: "tcp.options.mptcp.sendtrunchmac",
  hmac: "tcp.options.mptcp.sendhmac",
  addressId: "tcp.options.mptcp.addrid",
  backup: "tcp.options.mptcp.backup.flag",
  dataAck: "tcp.options.mptcp.rawdataack",
  dsn: "tcp.options.mptcp.rawdataseqno",
  ssn: "tcp.options.mptcp.subflowseqno",
  length: "tcp.options.mptcp.datalvllen",
  fin: "tcp.options.mptcp.datafin.flag",
  echo: "tcp.options.mptcp.echo",
  ipv4: "tcp.options.mptcp.ipv4",
  ipv6: "tcp.options.mptcp.ipv6",
  port: "tcp.options.mptcp.port",
  resetReason: "tcp.options.mptcp.rst_reason",
} as const;

/** A packet as tshark reads it: values as it prints them, several of one field separated by commas. */
export type Judged = Readonly<Record<keyof typeof FIELDS, string>>;

/** The version that the list of disagreements was written for, such as `4.0`; empty where there is no tshark. */
export function tsharkVersion(): string {
  const { stdout } = spawnSync("tshark", ["--version"], { encoding: "utf8" });
  return /TShark \(Wireshark\) (\d+\.\d+)/.exec(stdout ?? "")?.[1] ?? "";
}

/** What tshark makes of these packets, one row each. */
export function judged(packets: readonly RunPacket[]): Judged[] {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-judge-"));
  try {
    const path = join(folder, "all.pcap");
    const linkType = packets[0]?.linkType ?? 101;
    writeFileSync(path, pcapFile(packets, { linkType, nanoseconds: false, littleEndian: true }));
    const names = Object.values(FIELDS).flatMap((name) => ["-e", name]);
    const { status, stdout, stderr } = spawnSync(
      "tshark",
      ["-o", "mptcp.analyze_mappings:TRUE", "-r", path, "-T", "fields", "-E", "separator=|", ...names],
      { encoding: "utf8", maxBuffer: 2 ** 30 },
    );
    if (status !== 0) throw new Error(`tshark: ${stderr}`);
    const keys = Object.keys(FIELDS);
    return stdout
      .split("\n")
      .slice(0, packets.length)
      .map((line) => {
        const values = line.split("|");
        return Object.fromEntries(keys.map((key, n) => [key, values[n] ?? ""])) as Judged;
      });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
