import { setTimeout } from "node:timers/promises";
import type { Logger } from "pino";
import type { SessionRecord } from "../../schema/session-record.ts";
import { type AnyRecord, topicOf } from "../../schema/topics.ts";
import { Pipeline } from "../../src/pipeline.ts";
import type { PacketVector } from "../../src/vector.ts";
import type { Delivery } from "../delivery/delivery.ts";
import { outboxRecord } from "../delivery/outbox-record.ts";
import { loadLibc } from "../linux/libc.ts";
import { nowMicros } from "../runtime/clock.ts";
import { VERSION } from "../runtime/version.ts";
import { chunkRecord } from "./chunk-record.ts";
import type { ChangeableConfig, Collector, CollectorConfig, CollectorReport } from "./collector-contract.ts";
import { FaultLog } from "./fault-log.ts";
import { LedgerRecords } from "./ledger-record.ts";
import { PlainTcpCaptures } from "./plain-tcp/captures.ts";
import { Sources } from "./sources.ts";

const ADVANCE_MS = 1000;
/** At the end sessions wait so long for the delivery to have its turn. */
const END_PAUSE_MS = 2;

/**
 * Starts a collector: from sources, through the pipeline, to `delivery`. Rejects with an `OperationalError` when a socket
 * or the sink cannot be had; nothing is open then. `load` has the C library for datagrams in batches; where it has none,
 * they are received one at a time. Where `ended` resolves before the sink has answered, the collector is there at once, and
 * wants to be stopped.
 */
export async function startCollector(
  config: CollectorConfig,
  delivery: Delivery,
  log: Logger,
  load: typeof loadLibc = loadLibc,
  ended: Promise<unknown> = new Promise(() => {}),
): Promise<Collector> {
  const keep = (record: AnyRecord): void => {
    delivery.append([outboxRecord(record, config.formats[topicOf(record)])]);
  };
  const faults = new FaultLog(log);
  const captures = config.plainTcp === null ? null : new PlainTcpCaptures(config.plainTcp, log);
  const pipeline = pipelineOf(config, keep, captures, faults);
  const receiver = {
    addSource: (name: string) => pipeline.addSource(name),
    take: (vector: PacketVector) => pipeline.process(vector),
  };
  let sources: Sources | null = null;
  try {
    sources = await Sources.start(config, receiver, load, log);
    // What makes files comes last: a start that fails leaves none. Records wait until then.
    await captures?.open();
    await openUnless(ended, delivery, log);
    return new RunningCollector(config, { sources, pipeline, captures, delivery, faults, keep });
  } catch (error) {
    await sources?.stop(0);
    await captures?.close(0);
    await delivery.stop(0);
    throw error;
  }
}

/** Opens a delivery, and does not wait for it where the end comes first: its sink may take minutes to say nothing. */
async function openUnless(ended: Promise<unknown>, delivery: Delivery, log: Logger): Promise<void> {
  const opening = delivery.open().then(() => true);
  if (await Promise.race([opening, ended.then(() => false)])) return;
  opening.catch((error) => log.warn(error instanceof Error ? error.message : String(error)));
}

const observerOf = ({ name }: CollectorConfig) => ({ name, version: VERSION });

/** The packet path, whose records are kept for delivery, chunks of streams only where somebody wants them. */
function pipelineOf(
  config: CollectorConfig,
  keep: (record: AnyRecord) => void,
  captures: PlainTcpCaptures | null,
  faults: FaultLog,
): Pipeline {
  const { agents, agentPacketsPerSecond, tunnelDepth, partial, revisions, digest, streams } = config;
  const observer = observerOf(config);
  return new Pipeline({
    ...{ observer, agents, agentPacketsPerSecond, tunnelDepth, partial, revisions, digest },
    octets: null,
    ...(streams ? { chunk: (chunk) => keep(chunkRecord(chunk, observer)) } : {}),
    ...(captures === null ? {} : { plainTcp: (packet, atMicros) => captures.add(packet, atMicros) }),
    record: (record) => keep(record as SessionRecord),
    finding: keep,
    fault: (error) => faults.tell(error),
  });
}

/** What a running collector is made of, as packets and then records go through it. */
interface Parts {
  readonly sources: Sources;
  readonly pipeline: Pipeline;
  /** Sessions told again as plain TCP; null where nobody wants them. */
  readonly captures: PlainTcpCaptures | null;
  readonly delivery: Delivery;
  readonly faults: FaultLog;
  /** Hands a record to the delivery. */
  readonly keep: (record: AnyRecord) => void;
}

class RunningCollector implements Collector {
  readonly sinkFailure: Promise<unknown>;
  private readonly parts: Parts;
  /** Null where no ledger records are made. */
  private readonly ledgers: LedgerRecords | null;
  private readonly timers: NodeJS.Timeout[];
  private drainMs: number;
  private untold = 0;
  private stopped: Promise<CollectorReport> | null = null;

  constructor(config: CollectorConfig, parts: Parts) {
    const { pipeline, delivery, faults } = parts;
    this.parts = parts;
    this.sinkFailure = delivery.failure;
    this.drainMs = config.drainMs;
    this.timers = [setInterval(() => faults.guard(() => pipeline.advance(nowMicros())), ADVANCE_MS)];
    this.ledgers = config.agentsIntervalS > 0 ? new LedgerRecords(observerOf(config), Date.now()) : null;
    if (this.ledgers !== null) this.timers.push(setInterval(() => this.keepLedgers(), config.agentsIntervalS * 1000));
  }

  get listening(): readonly string[] {
    return this.parts.sources.names;
  }

  get udpPorts(): readonly number[] {
    return this.parts.sources.udpPorts;
  }

  report(): CollectorReport {
    const { sources, pipeline, captures, delivery } = this.parts;
    const totals = pipeline.totals();
    return {
      totals,
      tables: pipeline.tables(),
      sources: sources.counters(),
      agents: pipeline.ledgers(),
      silentAgents: pipeline.silentAgents(),
      records: delivery.stats(),
      streams: pipeline.chunkLosses(),
      plainTcp: captures === null ? null : { ...captures.report(), untoldOctets: pipeline.untoldOctets() },
      stranger: pipeline.stranger(),
      faultPackets: totals.packets["pipeline/fault"] ?? 0,
      untold: this.untold,
    };
  }

  liveSessions(from: number, limit: number): ReturnType<Pipeline["liveSessions"]> {
    return this.parts.pipeline.liveSessions(from, limit);
  }

  change({ agents, agentPacketsPerSecond, drainMs }: ChangeableConfig): void {
    this.parts.pipeline.changeAgents(agents, agentPacketsPerSecond);
    this.drainMs = drainMs;
  }

  stop(): Promise<CollectorReport> {
    this.stopped ??= this.drain();
    return this.stopped;
  }

  private async drain(): Promise<CollectorReport> {
    const { sources, captures, delivery } = this.parts;
    const { drainMs } = this;
    const endMs = Date.now() + drainMs;
    // Half of the time is the sockets' at most, and a quarter at least the records'.
    await sources.stop(drainMs / 2);
    for (const timer of this.timers) clearInterval(timer);
    await this.endSessions(endMs - drainMs / 4);
    this.keepLedgers();
    const restMs = (): number => Math.max(0, endMs - Date.now());
    await Promise.all([captures?.close(restMs()), delivery.stop(restMs())]);
    return this.report();
  }

  /** Ends sessions in portions, so that what is told of them finds room; what is open after the limit is told. */
  private async endSessions(limitMs: number): Promise<void> {
    const { pipeline, captures, delivery, faults } = this.parts;
    const ending = pipeline.finishing("shutdown");
    // Captures have half of the time: records are not lost for them.
    const capturesMs = (Date.now() + limitMs) / 2;
    const areCapturesBehind = (): boolean => captures?.isBehind === true && Date.now() < capturesMs;
    const isBehind = (): boolean => delivery.waiting() > delivery.portion || areCapturesBehind();
    for (let done = false; !done && Date.now() < limitMs; ) {
      faults.guard(() => {
        done = true;
        for (let n = 0; n < delivery.portion && !areCapturesBehind(); n++) if (ending.next().done) return;
        done = false;
      });
      while (!done && isBehind() && Date.now() < limitMs) await setTimeout(END_PAUSE_MS);
    }
    this.untold = pipeline.untold();
  }

  private keepLedgers(): void {
    const { ledgers } = this;
    const { pipeline, faults, keep } = this.parts;
    if (ledgers === null) return;
    faults.guard(() => {
      for (const record of ledgers.next(pipeline.ledgers(), Date.now())) keep(record);
    });
  }
}
