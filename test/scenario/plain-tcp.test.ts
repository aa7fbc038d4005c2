import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, it, onTestFinished } from "vitest";
import { read } from "../../collectors/offline/reading.ts";
import { needs, titled } from "../support/requirements.ts";
import { routerFiles, trueSessions, trueStream } from "./truth.ts";

const SCENARIOS = readdirSync(new URL("../captures/", import.meta.url)).filter((name) => !name.includes("."));
/** Of these octets are missing, because the copies end before the session did; all else tshark must find nothing about. */
const WITH_HOLES = new Set(["kill-client"]);

const noTshark = needs("tshark");

/** Tells both routers' captures again and returns the file. */
async function retold(scenario: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "rejoin-retold-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "whole.pcap");
  const [stdout, stderr] = [new PassThrough().resume(), new PassThrough().resume()];
  await read(routerFiles(scenario), { plainTcp: path, summary: true }, { stdin: process.stdin, stdout, stderr });
  return path;
}

function tshark(path: string, ...args: string[]): string[] {
  const checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
  const { status, stdout, stderr } = spawnSync("tshark", ["-r", path, ...checks, ...args], {
    encoding: "utf8",
    maxBuffer: 2 ** 30,
  });
  if (status !== 0) throw new Error(`tshark: ${stderr}`);
  return stdout.split("\n").filter(Boolean);
}

/** What each end of each connection sent, as tshark reads it, by the end's address and port. */
function streamsIn(path: string): Map<string, Buffer> {
  const fields = ["ip.src", "ipv6.src", "tcp.srcport", "tcp.payload"].flatMap((name) => ["-e", name]);
  const pieces = new Map<string, Buffer[]>();
  for (const line of tshark(path, "-Y", "tcp.len > 0", "-T", "fields", "-E", "separator=|", ...fields)) {
    const [ipv4 = "", ipv6 = "", port, payload = ""] = line.split("|");
    const end = ipv6 === "" ? `${ipv4}:${port}` : `[${ipv6}]:${port}`;
    pieces.set(end, [...(pieces.get(end) ?? []), Buffer.from(payload, "hex")]);
  }
  return new Map([...pieces].map(([end, all]) => [end, Buffer.concat(all)]));
}

/** tshark finds nothing wrong with a packet, a number or a checksum, and one connection for each session. */
function expectSound(path: string, sessions: number): void {
  const wrong = "tcp.analysis.flags || tcp.checksum.status == 0 || ip.checksum.status == 0 || _ws.malformed || mptcp";
  expect(tshark(path, "-Y", wrong)).toEqual([]);
  expect(new Set(tshark(path, "-Y", "tcp", "-T", "fields", "-e", "tcp.stream")).size).toBe(sessions);
}

describe("captures of two routers, told again as plain TCP", () => {
  it.skipIf(noTshark).each(SCENARIOS)(
    titled("%s: tshark finds nothing wrong, and reads the octets that applications sent", noTshark),
    async (scenario) => {
      const path = await retold(scenario);
      const sessions = trueSessions(scenario);
      if (!WITH_HOLES.has(scenario)) expectSound(path, sessions.length);
      const streams = streamsIn(path);
      for (const session of sessions)
        for (const host of ["client", "server"] as const) {
          const told = trueStream(session, host, "server");
          // Behind the server's one end are all its sessions.
          if (told === undefined || (host === "server" && sessions.length > 1)) continue;
          const octets = streams.get(session[host]) ?? Buffer.alloc(0);
          if (told.isWhole) expect(octets.length).toBe(told.octets);
          expect(createHash("sha256").update(octets.subarray(0, told.octets)).digest("hex")).toBe(told.sha256);
        }
    },
  );
});
