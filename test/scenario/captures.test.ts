import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { PassThrough } from "node:stream";
import { afterAll, describe, expect, it } from "vitest";
import { read } from "../../collectors/offline/reading.ts";
import { SIDES, sessionRecord } from "../../schema/session-record.ts";
import { observe } from "./observed.ts";
import {
  ofRecord,
  ofTruth,
  routerFiles,
  sorted,
  trueClose,
  trueSessions,
  trueStream,
  truthOf,
  type View,
  viewFiles,
} from "./truth.ts";

const CAPTURES = new URL("../captures/", import.meta.url);

/** Scenarios in which a router changes packets: captured on its client's side, too. */
const CHANGED = readdirSync(CAPTURES).filter((name) => {
  return !name.includes(".") && readdirSync(new URL(`${name}/`, CAPTURES)).includes("router1-access.pcap.gz");
});

const ROWS: readonly [scenario: string, view: View][] = [
  ...readdirSync(CAPTURES)
    .filter((name) => !name.includes("."))
    .map((scenario): [string, View] => [scenario, "server"]),
  ...CHANGED.flatMap((scenario): [string, View][] => [
    [scenario, "client"],
    [scenario, "both"],
  ]),
];

/** Why a session fell back, as what the router did (`about` of its truth) shows on each of its sides. */
const CAUSES: Readonly<Record<string, Partial<Record<View, string>>>> = {
  "strip-syn": { client: "syn-ack-without-option", both: "syn-ack-without-option" },
  "strip-synack": {
    server: "ack-without-option",
    client: "syn-ack-without-option",
    both: "syn-ack-without-option",
  },
  "strip-data": { server: "data-without-option", client: "data-without-option", both: "data-without-option" },
  "mangle-single": { server: "checksum", client: "checksum", both: "checksum" },
  "mangle-single-bulk": { server: "checksum", client: "checksum", both: "checksum" },
};

const lines: string[] = [];

const hashOf = (octets: Uint8Array): string => createHash("sha256").update(octets).digest("hex");

/** What a session in order is not yet rebuilt from. */
const NOT_YET: readonly string[] = ["strip-syn both", "strip-synack both"];

describe("captures of two routers, against what kernels and applications said", () => {
  afterAll(() => {
    console.log(
      [
        "scenario            view    packets sessions subflows         octets  fallback                 close       seconds",
        ...lines,
      ].join("\n"),
    );
  });

  it("are all 27", () => {
    expect(ROWS.filter(([, view]) => view === "server")).toHaveLength(27);
    expect(CHANGED).toHaveLength(7);
  });

  it.skip.each(ROWS.filter((row) => NOT_YET.includes(row.join(" "))))(
    "%s, %s side (skipped: not yet)",
    () => undefined,
  );

  it.each(ROWS.filter((row) => !NOT_YET.includes(row.join(" "))))(
    "%s, %s side: sessions, tokens, subflows, fallback, ends and streams",
    async (scenario, view) => {
      const begun = performance.now();
      const found = await observe(viewFiles(scenario, view));
      const seconds = (performance.now() - begun) / 1000;
      const truth = trueSessions(scenario, view);

      expect(sorted(found.records.map((record) => ofRecord(record, truthOf(truth, record))))).toEqual(
        sorted(truth.map((session) => ofTruth(session, view))),
      );
      for (const record of found.records) {
        sessionRecord.parse(record);
        expect(record.mptcp.session.evidence).toBe("handshake");
        const session = truthOf(truth, record);
        if (session === undefined) throw new Error("compared above");
        for (const { join } of record.mptcp.subflows) {
          // A join that was refused has no verdict; one of the kernels' list has two.
          if (join?.hmac.responder === "verified") expect(join.hmac.initiator).toBe("verified");
        }
        const { client, server } = session.protocol;
        const isMptcp = client === "mptcp" && server === "mptcp";
        expect(record.mptcp.fallback?.cause).toBe(isMptcp ? undefined : CAUSES[scenario]?.[view]);
        const close = trueClose(session);
        if (close !== undefined) expect(record.mptcp.close?.reason).toBe(close);
        for (const [side, host] of (["client", "server"] as const).entries()) {
          const stream = record.mptcp.stream[SIDES[side] ?? "initiator"];
          const octets = (length: number) =>
            hashOf(found.streams.of(record.mptcp.session.id, side === 0 ? 0 : 1, length));
          expect(stream.sha256).toBe(octets(stream.contiguous));
          const told = trueStream(session, host, view);
          if (told === undefined) continue;
          if (told.isWhole) expect(stream.octets).toBe(told.octets);
          if (told.isWhole && close === "fin") expect(stream.complete).toBe(true);
          expect(stream.contiguous).toBeGreaterThanOrEqual(told.octets);
          expect(octets(told.octets)).toBe(told.sha256);
        }
        // Where applications told nothing, no hole may be left but at the end.
        if (session.c2s === undefined) {
          for (const side of SIDES) {
            const { octets, contiguous } = record.mptcp.stream[side];
            expect(contiguous).toBe(octets);
          }
        }
      }
      const { packets, packetsIn, octets, subflows } = found.totals;
      expect(Object.values(packets).reduce((sum, count) => sum + count, 0)).toBe(packetsIn);
      const all = (values: readonly (string | undefined)[]) => [...new Set(values)].join(", ") || "-";
      lines.push(
        scenario.padEnd(20) +
          view.padEnd(6) +
          String(packetsIn).padStart(9) +
          String(found.records.length).padStart(9) +
          String(subflows.initial + subflows.joined).padStart(9) +
          String(octets.initiator + octets.responder).padStart(15) +
          `  ${all(found.records.map(({ mptcp }) => mptcp.fallback?.cause)).padEnd(25)}` +
          all(found.records.map(({ mptcp }) => mptcp.close?.reason)).padEnd(10) +
          seconds.toFixed(2).padStart(9),
      );
    },
  );

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
