import { setTimeout } from "node:timers/promises";
import type { Logger } from "pino";
import type { SessionRecord } from "../../schema/session-record.ts";
import { type AnyRecord, topicOf } from "../../schema/topics.ts";
import { Pipeline, type Totals } from "../../src/pipeline.ts";
import type { PacketVector } from "../../src/vector.ts";
import type { Delivery } from "../delivery/delivery.ts";
import { outboxRecord } from "../delivery/outbox-record.ts";
import { loadLibc } from "../linux/libc.ts";
import { nowMicros } from "../runtime/clock.ts";
import { VERSION } from "../runtime/version.ts";
import { chunkRecord } from "./chunk-record.ts";
import type { Collector, CollectorConfig, CollectorReport } from "./collector-contract.ts";
import { LedgerRecords } from "./ledger-record.ts";
import { startSources } from "./sources.ts";

const ADVANCE_MS = 1000;
/** At the end sessions wait so long for the delivery to have its turn. */
const END_PAUSE_MS = 2;
/** Faults are logged no more often than this: the same one may come with every packet. */
const FAULT_LOG_MS = 1000;

/**
 * Starts to receive, and to hand records to `delivery`. Throws an `OperationalError` when a socket or the sink cannot be
 * had. `load` has the C library for datagrams in batches; where it has none, they are received one at a time.
 */
export async function startCollector(
  config: CollectorConfig,
  delivery: Delivery,
  log: Logger,
  load: typeof loadLibc = loadLibc,
): Promise<Collector> {
  const observer = { name: config.name, version: VERSION };
  const keep = (record: AnyRecord): void => {
    delivery.append([outboxRecord(record, config.formats[topicOf(record)])]);
  };
  let toldMs = Number.NEGATIVE_INFINITY;
  const tellFault = (error: unknown): void => {
    // Our own bug. The packets themselves are not logged: a handshake carries keys.
    if (performance.now() - toldMs < FAULT_LOG_MS) return;
    toldMs = performance.now();
    log.error({ stack: error instanceof Error ? error.stack : String(error) }, "fault in the pipeline; going on");
  };
  const pipeline = new Pipeline({
    observer,
    agents: config.agents,
    agentPacketsPerSecond: config.agentPacketsPerSecond,
    tunnelDepth: config.tunnelDepth,
    partial: config.partial,
    revisions: config.revisions,
    digest: config.digest,
    octets: null,
    ...(config.streams ? { chunk: (chunk) => keep(chunkRecord(chunk, observer)) } : {}),
    record: (record) => keep(record as SessionRecord),
    finding: keep,
    fault: tellFault,
  });
  const guarded = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      tellFault(error);
    }
  };
  const take = (vector: PacketVector): void => pipeline.process(vector);

  const { sources, udpPorts } = await startSources(config, (name) => pipeline.addSource(name), take, load, log).catch(
    async (error) => {
      await delivery.stop(0);
      throw error;
    },
  );
  try {
    // The delivery comes last: it makes files, and a start that fails leaves none. Records wait until then.
    await delivery.open();
  } catch (error) {
    await Promise.all(sources.map((source) => source.stop(0)));
    await delivery.stop(0);
    throw error;
  }

  const ledgers = new LedgerRecords(observer, Date.now());
  const keepLedgers = (): void => {
    if (config.agentsIntervalS === 0) return;
    for (const record of ledgers.next(pipeline.ledgers(), Date.now())) keep(record);
  };
  const timers = [setInterval(() => guarded(() => pipeline.advance(nowMicros())), ADVANCE_MS)];
  if (config.agentsIntervalS > 0) timers.push(setInterval(() => guarded(keepLedgers), config.agentsIntervalS * 1000));

  let untold = 0;
  const reportOf = (totals: Totals): CollectorReport => ({
    totals,
    tables: pipeline.tables(),
    sources: sources.map((source) => ({ name: source.name, ...source.counters() })),
    agents: pipeline.ledgers(),
    records: delivery.stats(),
    streams: pipeline.chunkLosses(),
    stranger: pipeline.stranger(),
    faultPackets: totals.packets["pipeline/fault"] ?? 0,
    untold,
  });
  const report = (): CollectorReport => reportOf(pipeline.totals());
  /** Ends sessions in portions, so that their records find room in the outbox; what is open after the limit is told. */
  const endSessions = async (limitMs: number): Promise<void> => {
    const ending = pipeline.finishing("shutdown");
    for (let done = false; !done && Date.now() < limitMs; ) {
      guarded(() => {
        done = true;
        for (let n = 0; n < delivery.portion; n++) if (ending.next().done) return;
        done = false;
      });
      while (!done && delivery.waiting() > delivery.portion && Date.now() < limitMs) await setTimeout(END_PAUSE_MS);
    }
    untold = pipeline.untold();
  };
  let { drainMs } = config;
  const drain = async (): Promise<CollectorReport> => {
    const endMs = Date.now() + drainMs;
    // Half of the time is the records'.
    await Promise.all(sources.map((source) => source.stop(drainMs / 2)));
    for (const timer of timers) clearInterval(timer);
    await endSessions(endMs - drainMs / 4);
    guarded(keepLedgers);
    await delivery.stop(Math.max(0, endMs - Date.now()));
    return report();
  };
  let stopped: Promise<CollectorReport> | null = null;
  return {
    listening: sources.map(({ name }) => name),
    udpPorts,
    sinkFailure: delivery.failure,
    report,
    liveSessions: (from, limit) => pipeline.liveSessions(from, limit),
    change: (changed) => {
      pipeline.changeAgents(changed.agents, changed.agentPacketsPerSecond);
      drainMs = changed.drainMs;
    },
    stop: () => {
      stopped ??= drain();
      return stopped;
    },
  };
}
