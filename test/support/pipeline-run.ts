import type { SessionRecord } from "../../schema/session-record.ts";
import { type AgentLedger, Pipeline, type PipelineOptions, type Totals } from "../../src/pipeline.ts";
import { PacketVector } from "../../src/vector.ts";
import type { StatedPacket } from "./pcapng.ts";

/** A packet for a pipeline: raw IP of the first source where nothing else is said. */
export interface RunPacket extends StatedPacket {
  readonly linkType?: number;
  readonly source?: number;
}

/** LINKTYPE_RAW: the packet begins with its IP header. */
const RAW_IP = 101;

/** Octets kept per stream; a forged sequence number may mean far more. */
const MAX_STREAM = 64 * 1024 * 1024;

/** The octets of streams as an `OctetSink` puts them together; holes stay zero. */
export class CollectedStreams {
  private readonly streams = new Map<string, [Buffer, Buffer]>();

  octets(id: string, side: 0 | 1, offset: number, block: Uint8Array, at: number, length: number): void {
    if (offset + length > MAX_STREAM) return;
    const pair = this.streams.get(id) ?? [Buffer.alloc(0), Buffer.alloc(0)];
    if (pair[side].length < offset + length) {
      pair[side] = Buffer.concat([pair[side]], Math.max(offset + length, pair[side].length * 2));
    }
    pair[side].set(block.subarray(at, at + length), offset);
    this.streams.set(id, pair);
  }

  /** The first `length` octets of one side's stream. */
  of(id: string, side: 0 | 1, length: number): Buffer {
    return (this.streams.get(id)?.[side] ?? Buffer.alloc(0)).subarray(0, length);
  }
}

/** What a pipeline made of its packets. */
export interface Run {
  readonly records: SessionRecord[];
  readonly streams: CollectedStreams;
  readonly totals: Totals;
  readonly ledgers: AgentLedger[];
  readonly untold: number;
  /** Each packet's fate, in the order of the packets; only `run` knows it. */
  readonly fates: number[];
}

/** Options of a pipeline whose records and octets are kept. */
export function keeping(
  records: SessionRecord[],
  streams: CollectedStreams,
  options: Partial<PipelineOptions> = {},
): PipelineOptions {
  return {
    observer: { name: "test", version: "0" },
    // Small: tables are made anew for every run.
    bounds: { sessions: 2048, subflows: 4096, rememberedOctets: 2 ** 20, streamWindows: 256 },
    // The same packets make the same run.
    hashSeed: 0x5eed,
    agents: null,
    partial: true,
    revisions: "ended",
    digest: true,
    octets: streams,
    record: (record) => records.push(record),
    ...options,
  };
}

/** Takes packets through a pipeline, `batch` to a vector, and ends it. Sources are numbered in the order of their names. */
export function run(
  packets: readonly RunPacket[],
  options: Partial<PipelineOptions> = {},
  batch = 64,
  sources: readonly string[] = ["a", "b", "c"],
): Run {
  const records: SessionRecord[] = [];
  const streams = new CollectedStreams();
  const pipeline = new Pipeline(keeping(records, streams, options));
  for (const name of sources) pipeline.addSource(name);
  const vector = new PacketVector();
  const fates: number[] = [];
  for (let from = 0; from < packets.length; from += batch) {
    const some = packets.slice(from, from + batch);
    vector.use(Uint8Array.from(Buffer.concat(some.map(({ octets }) => octets))));
    let at = 0;
    for (const { octets, wire, atMicros, linkType = RAW_IP, source = 0 } of some) {
      vector.add(at, octets.length, wire, atMicros, linkType, source);
      at += octets.length;
    }
    pipeline.process(vector);
    fates.push(...vector.fate.subarray(0, some.length));
  }
  pipeline.finish("end-of-input");
  return {
    records,
    streams,
    totals: pipeline.totals(),
    ledgers: pipeline.ledgers(),
    untold: pipeline.untoldOctets(),
    fates,
  };
}
