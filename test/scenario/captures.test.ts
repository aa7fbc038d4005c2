import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { PassThrough } from "node:stream";
import { afterAll, describe, expect, it } from "vitest";
import { read } from "../../collectors/offline/reading.ts";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { judgedProbes } from "../judge/window-probes.ts";
import type { Run } from "../support/pipeline-run.ts";
import { needs, titled } from "../support/requirements.ts";
import { observe } from "./observed.ts";
import {
  ofRecord,
  ofTruth,
  routerFiles,
  sorted,
  type TrueSession,
  trueClose,
  trueProbes,
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

/** What happened to a session on the way (`about` of its truth), as it shows on each side of the router. */
const CHANGES: Readonly<Record<string, { causes?: Partial<Record<View, string>>; rewritten?: readonly string[] }>> = {
  "strip-syn": {
    causes: { client: "syn-ack-without-option", both: "syn-ack-without-option" },
    rewritten: ["option-stripped initiator router1-access router1"],
  },
  "strip-synack": {
    causes: { server: "ack-without-option", client: "syn-ack-without-option", both: "syn-ack-without-option" },
    rewritten: ["option-stripped responder router1 router1-access"],
  },
  "strip-data": {
    causes: { server: "data-without-option", client: "data-without-option", both: "data-without-option" },
    rewritten: ["option-stripped responder router1 router1-access"],
  },
  "strip-join": { rewritten: ["option-stripped initiator router2-access router2"] },
  "mangle-single": {
    causes: { server: "checksum", client: "checksum", both: "checksum" },
    rewritten: ["payload initiator router1-access router1"],
  },
  "mangle-single-bulk": {
    causes: { server: "checksum", client: "checksum", both: "checksum" },
    rewritten: ["payload initiator router1-access router1"],
  },
};

const noTshark = needs("tshark");
const lines: string[] = [];

const hashOf = (octets: Uint8Array): string => createHash("sha256").update(octets).digest("hex");

/** One side's stream is what the applications say, and what the record says of it. */
function expectStream(run: Omit<Run, "fates">, record: SessionRecord, session: TrueSession, side: 0 | 1, view: View) {
  const stream = record.mptcp.stream[side === 0 ? "initiator" : "responder"];
  const hash = (length: number) => hashOf(run.streams.of(record.mptcp.session.id, side, length));
  expect(stream.sha256).toBe(hash(stream.contiguous));
  const told = trueStream(session, side === 0 ? "client" : "server", view);
  if (told !== undefined) {
    if (told.isWhole) expect(stream.octets).toBe(told.octets);
    if (told.isWhole && trueClose(session) === "fin") expect(stream.complete).toBe(true);
    expect(stream.contiguous).toBeGreaterThanOrEqual(told.octets);
    expect(hash(told.octets)).toBe(told.sha256);
  }
  // Where applications told nothing, no hole may be left but at the end.
  if (session.c2s === undefined) expect(stream.contiguous).toBe(stream.octets);
  // Kernels met a wrong checksum where packets were changed before they were copied, and nowhere else.
  const isChanged = session.corrupted[side === 0 ? "server" : "client"] && view === "server";
  expect(stream.checksum?.failed ?? 0).toBe(isChanged ? 1 : 0);
}

/** Everything else that kernels and applications say of a session. */
function expectSession(record: SessionRecord, session: TrueSession, scenario: string, view: View) {
  const { mptcp } = sessionRecord.parse(record);
  const { causes, rewritten = [] } = CHANGES[scenario] ?? {};
  expect(mptcp.session.evidence).toBe("handshake");
  for (const { join } of mptcp.subflows) {
    // A join that was refused has no verdict; one of the kernels' list has two.
    if (join?.hmac.responder === "verified") expect(join.hmac.initiator).toBe("verified");
  }
  expect(JSON.stringify([mptcp.verdicts, mptcp.addresses, mptcp.subflows])).not.toContain('"failed"');
  const isMptcp = session.protocol.client === "mptcp" && session.protocol.server === "mptcp";
  expect(mptcp.fallback?.cause).toBe(isMptcp ? undefined : causes?.[view]);
  const close = trueClose(session);
  if (close !== undefined) expect(mptcp.close?.reason).toBe(close);
  const found = (mptcp.rewritten ?? []).map(({ kind, side, between }) => [kind, side, ...between].join(" "));
  expect(found).toEqual(view === "both" ? rewritten : []);
}

/** A line of the table: what came out of a capture. */
function line(scenario: string, view: View, { records, totals }: Omit<Run, "fates">, seconds: number): string {
  const all = (values: readonly (string | undefined)[]) => [...new Set(values)].join(", ") || "-";
  return (
    scenario.padEnd(20) +
    view.padEnd(6) +
    String(totals.packetsIn).padStart(9) +
    String(records.length).padStart(9) +
    String(totals.subflows.initial + totals.subflows.joined).padStart(9) +
    String(totals.octets.initiator + totals.octets.responder).padStart(15) +
    `  ${all(records.map(({ mptcp }) => mptcp.fallback?.cause)).padEnd(25)}` +
    all(records.map(({ mptcp }) => mptcp.close?.reason)).padEnd(14) +
    seconds.toFixed(2).padStart(7)
  );
}

const HEAD =
  "scenario            view    packets sessions subflows         octets  fallback                 close         seconds";

describe("captures of two routers, against what kernels and applications said", () => {
  afterAll(() => console.log([HEAD, ...lines].join("\n")));

  it("are all 28", () => {
    expect(ROWS.filter(([, view]) => view === "server")).toHaveLength(28);
    expect(CHANGED).toHaveLength(7);
  });

  it.each(ROWS)("%s, %s side: sessions, tokens, subflows, fallback, ends and streams", async (scenario, view) => {
    const begun = performance.now();
    const found = await observe(viewFiles(scenario, view));
    const seconds = (performance.now() - begun) / 1000;
    const truth = trueSessions(scenario, view);
    expect(sorted(found.records.map((record) => ofRecord(record, truthOf(truth, record))))).toEqual(
      sorted(truth.map((session) => ofTruth(session, view))),
    );
    for (const record of found.records) {
      const session = truthOf(truth, record);
      if (session === undefined) throw new Error("compared above");
      expectSession(record, session, scenario, view);
      for (const side of [0, 1] as const) expectStream(found, record, session, side, view);
    }
    const { packets, packetsIn } = found.totals;
    expect(Object.values(packets).reduce((sum, count) => sum + count, 0)).toBe(packetsIn);
    lines.push(line(scenario, view, found, seconds));
  });

  it("slow-reader: the probes of closed windows that the kernels counted, and no octet that differs", async () => {
    const findings: string[] = [];
    const { records } = await observe(routerFiles("slow-reader"), {
      finding: ({ event }) => findings.push(event.action),
    });
    const truth = trueProbes("slow-reader");
    expect(Math.min(truth.client, truth.server)).toBeGreaterThan(0);
    const { stream } = records[0]?.mptcp ?? {};
    expect(stream?.initiator).toMatchObject({ window_probes: truth.client, conflicting: 0, conflicts: [] });
    expect(stream?.responder).toMatchObject({ window_probes: truth.server, conflicting: 0, conflicts: [] });
    expect(findings).toEqual([]);
  });

  it.skipIf(noTshark)(titled("slow-reader: the kernels counted what tshark shows", noTshark), () => {
    const port = trueSessions("slow-reader")[0]?.server.split(":").at(-1);
    expect(judgedProbes(routerFiles("slow-reader"), Number(port))).toEqual(trueProbes("slow-reader"));
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
