import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Logger } from "pino";
import type { SessionRecord } from "../../schema/session-record.ts";
import { startAgent } from "../agent/agent.ts";
import { AGENT_DEFAULTS, type Agent, type AgentCounters } from "../agent/agent-contract.ts";
import { startCollector } from "../central/collector.ts";
import { COLLECTOR_DEFAULTS, type CollectorReport } from "../central/collector-contract.ts";
import { inMemory } from "../delivery/local-delivery.ts";
import { VERSION } from "../runtime/version.ts";
import type { Style } from "../terminal/style.ts";
import { counted } from "../terminal/text.ts";
import { disagreements, type EndpointsView, isOf, readEndpoints } from "./endpoints.ts";
import { beginOf } from "./one-place.ts";
import { Pace } from "./pace.ts";
import { RecordSink } from "./record-sink.ts";
import { Story } from "./story.ts";

/** Each has a capture of its name, and its place here plus 1 as GRE key. */
export const ROUTERS = ["router1", "router2"] as const;

const LOOPBACK = "127.0.0.1";
/** The collector's queue in the kernel: less than the smallest usual bound on it (net.core.rmem_max). */
const RECEIVE_OCTETS = 200 * 1024;
/** Agents that have not ended by then are stopped: a busy machine may take many times as long as the recording. */
const AGENTS_MS = 300_000;
/** Sessions end a second after their last packet, and time is looked at once a second. */
const ENDINGS_MS = 4000;

/** Where the demo's captures are, and where it writes to. */
export interface DemoOptions {
  /** Folder with a capture of each router and `endpoints.json`. */
  readonly folder: string;
  /** Times the pace at which the captures were recorded. */
  readonly speed: number;
  readonly style: Style;
  /** Takes what there is to say, a line at a time. */
  readonly say: (line: string) => void;
  /** Milliseconds that agents have for their captures. */
  readonly limitMs?: number;
}

/** A session as its hosts had it, its last record, and in what the two disagree. */
export interface Outcome {
  readonly view: EndpointsView;
  readonly record: SessionRecord | null;
  readonly faults: readonly string[];
}

/** What agents and collector made of the captures. */
export interface DemoResult {
  readonly outcomes: readonly Outcome[];
  readonly agents: readonly AgentCounters[];
  readonly report: CollectorReport;
}

/** The capture of each router. */
export function captureFiles(folder: string): string[] {
  return ROUTERS.map((router) => join(folder, `${router}.pcap.gz`));
}

/**
 * Runs a collector and an agent for each router on loopback, over real sockets, and tells what the collector's records
 * say while they come. Rejects with an OperationalError when a capture cannot be read or a socket not be had.
 */
export async function runDemo(
  { folder, speed, style, say, limitMs = AGENTS_MS }: DemoOptions,
  log: Logger,
): Promise<DemoResult> {
  const views = readEndpoints(join(folder, "endpoints.json"));
  const files = captureFiles(folder);
  const packetMicros = await beginOf(files);
  const story = new Story(style);
  const ended: SessionRecord[] = [];
  const sink = new RecordSink((record) => {
    for (const line of story.take(record)) say(line);
    if (record.mptcp.close !== null) ended.push(record);
  });
  const collector = await startCollector(
    {
      ...COLLECTOR_DEFAULTS,
      name: "demo",
      listenUdp: [{ host: LOOPBACK, port: 0, encapsulation: "gre-in-udp" }],
      agents: ROUTERS.map((name, i) => ({ name, addresses: [LOOPBACK], keys: [i + 1] })),
      digest: true,
      agentsIntervalS: 0,
      receiveOctets: RECEIVE_OCTETS,
    },
    inMemory(sink, { observer: { name: "demo", version: VERSION }, format: "json" }, log),
    log,
  );
  const agents: Agent[] = [];
  try {
    say(
      `${counted(views.length, "recorded MPTCP session")} over two routers. An agent replays what each router saw and`,
    );
    say(`copies it, as GRE-in-UDP on loopback, to a collector at ${collector.listening.join()}.`);
    say("");
    say(story.heading());
    const { hold } = new Pace(
      () =>
        sum(
          agents.map((agent) => agent.counters()).map(({ selected, failed, dropped }) => selected - failed - dropped),
        ),
      () => sum(collector.report().sources.map(({ packets }) => packets)),
    );
    const begin = { packetMicros, atMs: performance.now() };
    for (const [i, name] of ROUTERS.entries()) {
      const config = {
        ...AGENT_DEFAULTS,
        name,
        input: { kind: "replay" as const, files: [files[i] ?? ""], speed, begin, hold },
        collectors: [{ host: LOOPBACK, port: collector.udpPorts[0] ?? 0 }],
        key: i + 1,
        // Loopback takes packets of any length, but without koffi nobody knows: copies would be cut to 1500.
        fragment: true,
        maxFlows: 1024,
        reportMs: limitMs,
      };
      agents.push(await startAgent(config, log));
    }
    const replayed = Promise.all(agents.map((agent) => agent.ended));
    if ((await Promise.race([replayed, setTimeout(limitMs, null, { ref: false })])) === null) {
      const limit = `${limitMs / 1000} s`;
      say(
        style.bad(`The time ran out: agents were stopped after ${limit} and have not sent all. Is this machine busy?`),
      );
    }
    const counters = await Promise.all(agents.map((agent) => agent.stop()));
    for (let waitedMs = 0; ended.length < views.length && waitedMs < ENDINGS_MS; waitedMs += 50) await setTimeout(50);
    const report = await collector.stop();
    const outcomes = views.map((view) => {
      const record = ended.find((one) => isOf(view, one)) ?? null;
      return { view, record, faults: disagreements(view, record) };
    });
    return { outcomes, agents: counters, report };
  } finally {
    await Promise.allSettled(agents.map((agent) => agent.stop()));
    await collector.stop();
  }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
