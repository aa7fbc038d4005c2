import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { read } from "../../collectors/offline/reading.ts";
import { FINDING_DATASET, type FindingRecord } from "../../schema/finding-record.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { folder, put, streams } from "../offline/files.ts";
import { packetsIn } from "../plain-tcp/retold.ts";
import { sessionPlan } from "../property/plans.ts";
import { Conversation, type Subflow } from "../support/conversation.ts";
import { pcapFile } from "../support/pcap.ts";
import type { StatedPacket } from "../support/pcapng.ts";
import { needs, titled } from "../support/requirements.ts";
import { GOOD_AGENT } from "../support/simulator/plan.ts";
import { simulate } from "../support/simulator/simulation.ts";
import { watch } from "../support/simulator/watch.ts";
import { ADVISED, alarms, rule, type SuricataEvent, suricata } from "../support/suricata.ts";
import { type Signature, signaturesOf } from "./signatures.ts";
import { routerFiles, trueSessions } from "./truth.ts";

/** A seed whose random octets look like no protocol, of which Suricata would say what is wrong with it. */
const SEED = 1;
const SESSIONS = 24;
const RAW = { linkType: 101, nanoseconds: false, littleEndian: true };
/** As Suricata reads where nothing is set: what is not acknowledged yet waits. Pieces of one size make a run repeatable. */
const BY_DEFAULT = { ...ADVISED, "stream.inline": "no", "stream.reassembly.randomize-chunk-size": "no" };
/** Suricata's own rules about connections that are not as TCP is, as Debian has them. */
const STREAM_EVENTS = "/etc/suricata/rules/stream-events.rules";
const SCENARIOS = readdirSync(new URL("../captures/", import.meta.url)).filter((name) => !name.includes("."));

const noSuricata = needs("suricata");
const noEvents = noSuricata ?? (existsSync(STREAM_EVENTS) ? undefined : "needs stream-events.rules of Suricata");

/** Tells captures again into a file; records of sessions, names of findings. */
async function retell(captures: readonly string[], path: string) {
  const { texts, ...io } = streams();
  await read(captures, { plainTcp: path, json: true, findings: true }, io);
  // No octet was too late to be told.
  expect(texts.err).toBe("");
  const all = texts.out
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as SessionRecord | FindingRecord);
  return {
    records: all.filter((one): one is SessionRecord => one.event.dataset !== FINDING_DATASET),
    findings: all.flatMap(({ event }) => (event.dataset === FINDING_DATASET ? [event.action] : [])),
  };
}

/** Simulated sessions over several subflows as captured, and told again, in files of this directory. */
async function simulated(directory: string) {
  const plans = fc.sample(sessionPlan, { numRuns: SESSIONS, seed: SEED });
  const simulation = simulate(
    plans.map((plan, n) => ({ plan, beginMillis: n * 200 })),
    SEED,
  );
  const watched = watch(simulation, [GOOD_AGENT], SEED);
  const subflows = put(directory, "subflows.pcap", pcapFile(watched.copies, RAW));
  const whole = join(directory, "whole.pcap");
  const { records } = await retell([subflows], whole);
  const recordOf = (session: number) =>
    records.find(({ source }) => simulation.sessions[session]?.addresses.includes(source.ip));
  const signatures = signaturesOf(simulation, watched);
  return { subflows, whole, records, recordOf, signatures, rules: signatures.map(ruleOf).join("") };
}

const ruleOf = ({ id, octets }: Signature): string => rule(id, octets);
const endText = ({ ip, port }: { ip: string; port: number }): string => `${ip} ${port}`;
const ofType = (events: readonly SuricataEvent[], type: SuricataEvent["event_type"]): SuricataEvent[] =>
  events.filter(({ event_type }) => event_type === type);
const idsOf = (some: readonly { community_id: string }[]): string[] => some.map((one) => one.community_id).sort();
const recordedIds = (records: readonly SessionRecord[]): string[] => idsOf(records.map(({ network }) => network));

/** The octets that a retold file acknowledges at once. */
function runsIn(path: string): Buffer[] {
  const waiting = new Map<string, Buffer[]>();
  const runs: Buffer[] = [];
  for (const { from, to, flags, payload } of packetsIn(path)) {
    const way = `${from} ${to}`;
    const run = [...(waiting.get(way) ?? []), payload];
    waiting.set(way, flags.includes("P") ? [] : run);
    if (flags.includes("P")) runs.push(Buffer.concat(run));
  }
  return runs;
}

/** How many signatures were missed, for the test's annotation. */
function figures(missed: readonly Signature[], all: readonly Signature[]): string {
  const across = (some: readonly Signature[]) => some.filter(({ isAcross }) => isAcross).length;
  return `missed ${missed.length} of ${all.length} signatures, of those across two subflows ${across(missed)} of ${across(all)}`;
}

describe.skipIf(noSuricata)(titled("Suricata, of simulated sessions", noSuricata), () => {
  let directory: string;
  let made: Awaited<ReturnType<typeof simulated>>;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "rejoin-suricata-"));
    made = await simulated(directory);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it("finds each signature where they are told again, in its session's connection and direction", () => {
    const { whole, records, recordOf, signatures, rules } = made;
    const events = suricata(whole, rules);
    const expected = signatures.map(({ id, session, side }) => {
      const record = recordOf(session);
      const ends = record === undefined ? [] : [endText(record.source), endText(record.destination)];
      return [id, ...(side === 0 ? ends : ends.reverse())].join(" ");
    });
    const found = ofType(events, "alert").map(({ alert, ...event }) =>
      [alert?.signature_id, event.src_ip, event.src_port, event.dest_ip, event.dest_port].join(" "),
    );
    expect([...new Set(found)].sort()).toEqual(expected.sort());
    expect(signatures.filter(({ isAcross }) => isAcross).length).toBeGreaterThan(100);
    expect(ofType(events, "anomaly")).toEqual([]);
    expect(idsOf(ofType(events, "flow"))).toEqual(recordedIds(records));
    expect(records).toHaveLength(SESSIONS);
  });

  it("misses in their subflows what came over two of them", async ({ annotate }) => {
    const { subflows, signatures, rules } = made;
    const events = suricata(subflows, rules, ADVISED, "none");
    const found = alarms(events);
    const missed = signatures.filter(({ id }) => !found.has(id));
    const across = signatures.filter(({ isAcross }) => isAcross);
    // Some were sent again, in one piece over one subflow.
    expect(missed.filter(({ isAcross }) => isAcross).length).toBeGreaterThan(0.9 * across.length);
    expect(ofType(events, "flow").length).toBeGreaterThan(2 * SESSIONS);
    await annotate(figures(missed, signatures));
  });

  it("that waits for acknowledgments misses nothing but what stands across the ends of runs", async ({ annotate }) => {
    const { whole, signatures, rules } = made;
    const found = alarms(suricata(whole, rules, BY_DEFAULT));
    const missed = signatures.filter(({ id }) => !found.has(id));
    const runs = runsIn(whole);
    expect(missed.filter(({ octets }) => runs.some((run) => run.includes(Buffer.from(octets))))).toEqual([]);
    expect(missed.length).toBeLessThan(0.05 * signatures.length);
    await annotate(figures(missed, signatures));
  });

  it.skipIf(noEvents)(
    titled("has no rule about wrong connections that alarms where they are told again", noEvents),
    () => {
      const { whole, subflows } = made;
      const rules = readFileSync(STREAM_EVENTS, "utf8");
      expect(ofType(suricata(whole, rules), "alert")).toEqual([]);
      expect(ofType(suricata(whole, rules, BY_DEFAULT), "alert")).toEqual([]);
      // They would.
      expect(ofType(suricata(subflows, rules, ADVISED, "none"), "alert")).not.toEqual([]);
    },
  );
});

const TEXT = 2_000_001;
const SUBSTITUTE = 2_000_002;

/** What Suricata alarms at in a conversation as captured and as told again, and what rejoin found. */
async function judged(packets: readonly StatedPacket[], rules: string) {
  const directory = folder();
  const subflows = put(directory, "subflows.pcap", pcapFile(packets, RAW));
  const whole = join(directory, "whole.pcap");
  const { findings } = await retell([subflows], whole);
  return {
    ofSubflows: [...alarms(suricata(subflows, rules, ADVISED, "none"))],
    ofWhole: [...alarms(suricata(whole, rules))],
    findings,
  };
}

describe.skipIf(noSuricata)(titled("Suricata, of a sender that hides what it says", noSuricata), () => {
  it("finds no octets that came again as others, where rejoin does", async () => {
    const said = "GET /index.html HTTP/1.0\r\n\r\n";
    const instead = "GET /etc/shadow HTTP/1.0\r\n\r\n";
    const talk = new Conversation().open();
    const second = talk.join();
    // The receiver has these octets, and keeps them.
    talk.send(0, said).send(0, instead, { on: second, at: 0 }).send(1, "none of that").close(talk.initial, second);
    const rules = rule(TEXT, Buffer.from("/index.html")) + rule(SUBSTITUTE, Buffer.from("/etc/shadow"));
    const { ofSubflows, ofWhole, findings } = await judged(talk.packets, rules);
    expect(ofSubflows.sort()).toEqual([TEXT, SUBSTITUTE]);
    expect(ofWhole).toEqual([TEXT]);
    expect(findings).toEqual(["octets-differ"]);
  });

  it("finds what was cut into pieces over three subflows where it is told again, and nowhere else", async () => {
    const text = "GET /cgi-bin/..%2f..%2f..%2f..%2fetc/shadow HTTP/1.0\r\n\r\n";
    const talk = new Conversation().open();
    const joined = [1, 2].map((n): Subflow => {
      const ends = [
        { ip: `10.1.${n}.1`, port: 50_000 + n },
        { ip: "10.2.0.2", port: 443 },
      ] as const;
      return talk.join({ ends });
    });
    const subflows = [talk.initial, ...joined];
    for (let at = 0, n = 0; at < text.length; n++) {
      const piece = text.slice(at, at + 1 + ((n * 5) % 8));
      talk.send(0, piece, { on: subflows[n % 3] ?? talk.initial });
      at += piece.length;
    }
    talk.close(...subflows);
    const rules = rule(TEXT, Buffer.from("etc/shadow"));
    const { ofSubflows, ofWhole, findings } = await judged(talk.packets, rules);
    expect({ ofSubflows, ofWhole, findings }).toEqual({ ofSubflows: [], ofWhole: [TEXT], findings: [] });
  });
});

describe.skipIf(noSuricata)(titled("Suricata, of all recordings told again", noSuricata), () => {
  it("finds a connection with each session's Community ID, every HTTP request and nothing wrong", async () => {
    const directory = folder();
    mkdirSync(join(directory, "whole"));
    const told = new Map<string, readonly SessionRecord[]>();
    // It takes no capture without a packet.
    for (const scenario of SCENARIOS.filter((name) => trueSessions(name).length > 0)) {
      const { records } = await retell(routerFiles(scenario), join(directory, "whole", `${scenario}.pcap`));
      expect([scenario, records.length]).toEqual([scenario, trueSessions(scenario).length]);
      told.set(scenario, records);
    }
    const rules = noEvents === undefined ? readFileSync(STREAM_EVENTS, "utf8") : rule(TEXT, Buffer.from("etc/shadow"));
    const events = suricata(join(directory, "whole"), rules);
    expect(idsOf(ofType(events, "flow"))).toEqual(recordedIds([...told.values()].flat()));
    expect(ofType(events, "alert")).toEqual([]);
    // Where one side alone speaks no protocol is found; that is nothing of the connection.
    expect(ofType(events, "anomaly").filter(({ anomaly }) => anomaly?.type !== "applayer")).toEqual([]);
    expect(idsOf(ofType(events, "http"))).toEqual(recordedIds(told.get("http-many") ?? []));
    expect(told.get("http-many")).toHaveLength(450);
  });
});
