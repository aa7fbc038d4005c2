import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { SocketAddress } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** An event of Suricata's `eve.json`, as far as anybody here asks; a line about packets: statistics are left out. */
export interface SuricataEvent {
  readonly event_type: "alert" | "anomaly" | "fileinfo" | "flow" | "http";
  /** Ends of the packet it is about, or of who opened the connection. IPv6 addresses are as everywhere else. */
  readonly src_ip: string;
  readonly src_port: number;
  readonly dest_ip: string;
  readonly dest_port: number;
  readonly community_id: string;
  readonly alert?: { readonly signature_id: number; readonly signature: string };
  readonly anomaly?: { readonly type: string; readonly event?: string };
}

/** Settings of `suricata.yaml` under which Suricata reads: those that docs/plain-tcp.md advises, and Community IDs. */
export const ADVISED: Readonly<Record<string, string>> = {
  "stream.inline": "yes",
  "stream.reassembly.depth": "0",
  "outputs.1.eve-log.community-id": "yes",
};

/** A rule that alarms at these octets, in whatever connection; `id` is its number and its message. */
export function rule(id: number, octets: Uint8Array): string {
  const content = Buffer.from(octets)
    .toString("hex")
    .replace(/..(?=.)/g, "$& ");
  return `alert tcp any any -> any any (msg:"${id}"; content:"|${content}|"; sid:${id}; rev:1;)\n`;
}

const usual = (ip: string): string =>
  ip.includes(":") ? new SocketAddress({ address: ip, family: "ipv6" }).address : ip;

/**
 * What Suricata says of a capture, or of a directory of captures, under these rules, a file's text. `checksums`: packets
 * that have a wrong one are left out of streams, as by default. Throws where it fails, as for a capture without a packet.
 */
export function suricata(path: string, rules: string, settings = ADVISED, checksums: "all" | "none" = "all") {
  const directory = mkdtempSync(join(tmpdir(), "rejoin-suricata-"));
  try {
    const file = join(directory, "test.rules");
    writeFileSync(file, rules);
    const set = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const args = ["-r", path, "-S", file, "-l", directory, "-k", checksums, "--runmode", "single", ...set];
    const { status, stdout, stderr } = spawnSync("suricata", args, { encoding: "utf8", maxBuffer: 2 ** 30 });
    if (status !== 0) throw new Error(`suricata: ${stdout}${stderr}`);
    const lines = readFileSync(join(directory, "eve.json"), "utf8").split("\n").filter(Boolean);
    return lines
      .map((line) => JSON.parse(line) as SuricataEvent)
      .filter(({ src_ip }) => src_ip !== undefined)
      .map((event): SuricataEvent => ({ ...event, src_ip: usual(event.src_ip), dest_ip: usual(event.dest_ip) }));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The numbers of the rules that alarmed. */
export function alarms(events: readonly SuricataEvent[]): Set<number> {
  return new Set(events.flatMap(({ alert }) => (alert === undefined ? [] : [alert.signature_id])));
}
