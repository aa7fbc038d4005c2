import { createHash } from "node:crypto";
import { PassThrough } from "node:stream";
import { afterAll, describe, expect, it } from "vitest";
import { read } from "../../collectors/offline/reading.ts";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { observe } from "./observed.ts";
import { ofRecord, ofTruth, routerFiles, sorted, trueSessions } from "./truth.ts";

/** What each capture is compared on, beyond sessions, tokens and subflows. */
const SCENARIOS: readonly [
  scenario: string,
  streams: "whole" | "aborted" | "unknown" | "unsent",
  close: readonly string[],
][] = [
  ["bulk", "whole", ["fin"]],
  ["join-client", "whole", ["fin"]],
  ["ipv6", "whole", ["fin"]],
  ["nat", "whole", ["fin"]],
  ["add-addr", "whole", ["fin"]],
  ["remove-addr", "whole", ["fin"]],
  ["backup", "whole", ["fin"]],
  ["small-mtu", "whole", ["fin"]],
  ["delay-loss", "whole", ["fin"]],
  ["offload", "whole", ["fin"]],
  ["server-join", "whole", ["fin"]],
  ["server-join-early", "whole", ["fin"]],
  ["checksum", "whole", ["fin"]],
  ["strip-join", "whole", ["fin"]],
  ["http-many", "unknown", ["fin"]],
  // The client's DATA_FIN counts 1,184 octets that no router forwarded: the test was over and both sides went away.
  ["iperf3", "unsent", ["fin"]],
  ["fastclose-client", "aborted", ["fastclose"]],
  ["fastclose-server", "aborted", ["fastclose"]],
];

const lines: string[] = [];

const hashOf = (octets: Uint8Array): string => createHash("sha256").update(octets).digest("hex");

function joinVerdicts(records: readonly SessionRecord[]): string[] {
  const all = records.flatMap(({ mptcp }) => mptcp.subflows.flatMap(({ join }) => Object.values(join?.hmac ?? {})));
  return [...new Set(all)];
}

describe("captures of two routers, against what kernels and applications said", () => {
  afterAll(() => {
    console.log(["scenario            sessions subflows         octets  seconds", ...lines].join("\n"));
  });

  it.each(SCENARIOS)("%s: sessions, tokens, subflows and streams (%s)", async (scenario, streams, closes) => {
    const begun = performance.now();
    const found = await observe(routerFiles(scenario));
    const seconds = (performance.now() - begun) / 1000;
    const truth = trueSessions(scenario);

    expect(sorted(found.records.map(ofRecord))).toEqual(sorted(truth.map(ofTruth)));
    expect(joinVerdicts(found.records)).toEqual(truth.some(({ subflows }) => subflows.length > 1) ? ["verified"] : []);
    expect([...new Set(found.records.map(({ mptcp }) => mptcp.close?.reason))].sort()).toEqual([...closes].sort());
    for (const record of found.records) {
      sessionRecord.parse(record);
      const { id, evidence } = record.mptcp.session;
      expect(evidence).toBe("handshake");
      const session = truth.find(({ client }) => client === ofRecord(record).client);
      for (const side of [0, 1] as const) {
        const stream = record.mptcp.stream[side === 0 ? "initiator" : "responder"];
        const told = side === 0 ? session?.c2s : session?.s2c;
        if (streams === "whole") {
          expect(stream).toMatchObject({ octets: told?.sent_bytes, sha256: told?.sent_sha256, complete: true });
          expect(hashOf(found.streams.of(id, side, stream.octets))).toBe(told?.sent_sha256);
        } else if (streams === "aborted") {
          const received = told?.received_bytes ?? Number.NaN;
          expect(stream.contiguous).toBeGreaterThanOrEqual(received);
          expect(hashOf(found.streams.of(id, side, received))).toBe(told?.received_sha256);
        } else {
          expect(stream.contiguous).toBe(stream.octets);
          if (streams === "unknown") expect(stream).toMatchObject({ complete: true, missing: [] });
          expect(stream.sha256).toBe(hashOf(found.streams.of(id, side, stream.octets)));
        }
      }
    }
    const { packets, packetsIn, octets, subflows } = found.totals;
    expect(Object.values(packets).reduce((sum, count) => sum + count, 0)).toBe(packetsIn);
    lines.push(
      scenario.padEnd(20) +
        String(found.records.length).padStart(8) +
        String(subflows.initial + subflows.joined).padStart(9) +
        String(octets.initiator + octets.responder).padStart(15) +
        seconds.toFixed(2).padStart(9),
    );
  });

  it("strip-synack: a session that fell back before any data, its TCP octets as its stream", async () => {
    const found = await observe(routerFiles("strip-synack"));
    const [truth] = trueSessions("strip-synack");
    expect(found.records).toHaveLength(1);
    const [record] = found.records;
    expect(record?.mptcp.fallback?.cause).toBe("ack-without-option");
    expect(record?.mptcp.subflows).toHaveLength(1);
    expect(record?.mptcp.stream).toMatchObject({
      initiator: { octets: truth?.c2s?.sent_bytes, sha256: truth?.c2s?.sent_sha256, complete: true },
      responder: { octets: truth?.s2c?.sent_bytes, sha256: truth?.s2c?.sent_sha256, complete: true },
    });
  });

  it("plain-tcp: the command prints no record and ends with status 0", async () => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const status = await read(routerFiles("plain-tcp"), { json: true }, { stdin: process.stdin, stdout, stderr });
    expect([status, stdout.read(), stderr.read()]).toEqual([0, null, null]);
  });

  it("plain-tcp: no session", async () => {
    const found = await observe(routerFiles("plain-tcp"), { partial: true });
    expect(found.records).toEqual([]);
    expect(found.totals.packets).toEqual({ "subflow/plain-tcp": found.totals.packetsIn });
  });
});
