import type { Pipeline } from "../../../src/pipeline.ts";
import { PacketVector } from "../../../src/vector.ts";
import { putPacket, type Segment, wireOctets } from "../packet-octets.ts";
import { EPOCH_SECONDS, type SegmentSink } from "../packet-writer.ts";
import type { Pieces } from "../pieces.ts";

/** Packets that are generated before the clock runs: as much as a processor's second cache holds, as when a file is read. */
const WINDOW_PACKETS = 4096;
/** Octets kept of each packet: all headers of one with data. */
const SNAP = 126;
const ROOM = 128;
const MICROS_PER_PACKET = 2;
const ETHERNET = 1;

/** Feeds segments to a pipeline as packets in memory. They are generated in windows, and only feeding is on the clock. */
export class FeedingWindow implements SegmentSink {
  readonly pieces: Pieces;
  readonly pipeline: Pipeline;
  /** Processor time of the process while packets were fed, in microseconds, since somebody set it to 0. */
  spentMicros = 0;
  /** Packets taken so far. */
  packets = 0;
  private readonly source: number;
  private readonly vector = new PacketVector();
  private readonly block = new Uint8Array(WINDOW_PACKETS * ROOM);
  private readonly view = new DataView(this.block.buffer);
  private readonly captured = new Uint32Array(WINDOW_PACKETS);
  private readonly wire = new Uint32Array(WINDOW_PACKETS);
  private readonly numbers = new Uint32Array(2);
  private filled = 0;

  constructor(pipeline: Pipeline, pieces: Pieces) {
    this.pipeline = pipeline;
    this.pieces = pieces;
    this.source = pipeline.addSource("bench");
    this.vector.use(this.block);
  }

  get micros(): number {
    return this.packets * MICROS_PER_PACKET;
  }

  write(segment: Segment): void {
    const { agent } = segment;
    const number = this.numbers[agent] ?? 0;
    this.numbers[agent] = number + 1;
    const wire = wireOctets(segment);
    const captured = Math.min(wire, SNAP);
    putPacket(this.block, this.view, this.filled * ROOM, segment, number, captured, this.pieces);
    this.wire[this.filled] = wire;
    this.captured[this.filled] = captured;
    this.filled++;
    this.packets++;
    if (this.filled === WINDOW_PACKETS) this.flush();
  }

  /** Feeds what was generated. */
  flush(): void {
    const { vector, captured, wire } = this;
    const first = EPOCH_SECONDS * 1e6 + (this.packets - this.filled) * MICROS_PER_PACKET;
    this.time(() => {
      for (let i = 0; i < this.filled; i++) {
        const atMicros = first + i * MICROS_PER_PACKET;
        vector.add(i * ROOM, captured[i] ?? 0, wire[i] ?? 0, atMicros, ETHERNET, this.source);
        if (vector.full) this.process();
      }
      if (vector.length > 0) this.process();
    });
    this.filled = 0;
  }

  /** Does something on the clock. */
  time(work: () => void): void {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    this.spentMicros += user + system;
  }

  private process(): void {
    this.pipeline.process(this.vector);
    this.vector.clear();
  }
}
