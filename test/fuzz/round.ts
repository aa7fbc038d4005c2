import { findingRecord } from "../../schema/finding-record.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { sessionRecord } from "../../schema/session-record.ts";
import { decoderFor } from "../../src/capture-file/format.ts";
import { Pipeline, type PipelineOptions } from "../../src/pipeline.ts";
import { PacketVector } from "../../src/vector.ts";
import { Random } from "../bench/random.ts";
import { pcapFile } from "../support/pcap.ts";
import type { RunPacket } from "../support/pipeline-run.ts";
import { leftIn } from "./census.ts";
import type { Base } from "./corpus.ts";
import { CAPTURE_MUTATIONS, PACKET_MUTATIONS, type Packets } from "./mutations.ts";

/** Raised when something that must always hold does not; the message says what. */
class Broken extends Error {}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Broken(what);
}

const pick = <T>(random: Random, list: readonly T[]): T => {
  const one = list[random.below(list.length)];
  if (one === undefined) throw new Error("an empty list");
  return one;
};

/** One record in so many is looked at closely: that takes longer than making it. */
const CLOSELY = 8;

/** Of each stream: never less than nothing, holes in order and apart, no more contiguous than there is. */
function checkStream({ octets, contiguous, missing, missing_octets }: SessionRecord["mptcp"]["stream"]["initiator"]) {
  must(contiguous <= octets, "more contiguous octets than octets");
  let end = 0;
  let listed = 0;
  for (const { offset, length } of missing) {
    // A cut may touch a hole.
    must(offset >= end, "holes out of order, or one in another");
    end = offset + length;
    listed += length;
  }
  must(listed <= missing_octets, "holes are larger than all holes");
}

/** MPTCP keys of observations, as they would stand in a record: hexadecimal and decimal. */
export function keysIn(bases: readonly Base[]): Set<string> {
  const keys = new Set<string>();
  for (const { packets } of bases) {
    for (const { octets } of packets) {
      const found = Buffer.from(octets.buffer, octets.byteOffset, Math.min(octets.length, 140));
      for (const length of [12, 20, 22, 24]) {
        for (const version of [0, 1]) {
          for (let at = found.indexOf(Buffer.of(30, length, version)); at > 33; at = -1) {
            for (const key of length === 12 ? [at + 4] : [at + 4, at + 12]) {
              if (key + 8 > found.length) continue;
              keys.add(found.toString("hex", key, key + 8));
              keys.add(String(found.readBigUInt64BE(key)));
            }
          }
        }
      }
    }
  }
  return keys;
}

/** A pipeline under test, its observer, and what it has been given. */
export class Subject {
  readonly pipeline: Pipeline;
  given = 0;
  records = 0;
  private readonly vector = new PacketVector();
  private readonly random: Random;
  private block = new Uint8Array(1 << 20);

  /** @param random decides what is looked at closely @param secrets texts that must be in no record */
  constructor(options: Partial<PipelineOptions>, random: Random, secrets: ReadonlySet<string>) {
    this.random = random;
    this.pipeline = new Pipeline({
      observer: { name: "fuzz", version: "0" },
      hashSeed: random.uint32(),
      agents: null,
      partial: true,
      revisions: "all",
      digest: false,
      octets: {
        octets: (id, side, offset, block, at, length) => {
          must(id.length > 0 && (side === 0 || side === 1), "octets of no stream");
          must(Number.isInteger(offset) && offset >= 0, `octets at ${offset}`);
          must(length > 0 && at >= 0 && at + length <= block.length, "octets outside their block");
        },
      },
      record: (record) => this.check(record, secrets),
      finding: (finding) =>
        must(findingRecord.safeParse(finding).success, `a finding that is none: ${finding.event.id}`),
      ...options,
    });
    for (const name of ["a", "b", "c"]) this.pipeline.addSource(name);
  }

  /** Takes packets through the pipeline in vectors of `batch`. */
  feed(packets: readonly RunPacket[], batch: number): void {
    const { vector } = this;
    for (let from = 0; from < packets.length; from += batch) {
      const some = packets.slice(from, from + batch);
      const octets = some.reduce((sum, packet) => sum + packet.octets.length, 0);
      if (octets > this.block.length) this.block = new Uint8Array(octets * 2);
      vector.use(this.block);
      let at = 0;
      for (const packet of some) {
        this.block.set(packet.octets, at);
        const wire = Math.max(packet.wire, packet.octets.length);
        vector.add(at, packet.octets.length, wire, packet.atMicros, packet.linkType ?? 101, packet.source ?? 0);
        at += packet.octets.length;
      }
      this.process();
    }
  }

  /** Takes the packets of a capture file through the pipeline, as far as it can be read. */
  feedFile(file: Uint8Array<ArrayBuffer>): void {
    const { vector } = this;
    vector.use(file);
    const decoder = file.length < 4 ? null : decoderFor(vector.view, 0);
    for (let at = 0; decoder !== null && decoder.fault === null; ) {
      vector.clear();
      at = decoder.decode(vector, at, file.length);
      if (vector.length === 0) break;
      this.process();
    }
  }

  /** Every packet has one fate, and no more sessions are alive than opened. */
  account(): void {
    const { packetsIn, packets, sessions } = this.pipeline.totals();
    must(packetsIn === this.given, `${packetsIn} packets counted of ${this.given}`);
    const sum = Object.values(packets).reduce((all, count) => all + count, 0);
    must(sum === packetsIn, `fates add up to ${sum} of ${packetsIn} packets`);
    must(packets["pipeline/alive"] === undefined, "packets without a fate");
    must(sessions.live >= 0 && sessions.live <= sessions.opened, `${sessions.live} sessions alive`);
  }

  /** Ends it: nothing may be left. */
  finish(): void {
    this.pipeline.finish(pick(this.random, ["end-of-input", "shutdown"]));
    this.account();
    must(this.pipeline.totals().sessions.live === 0, "sessions alive after the end");
    const left = leftIn(this.pipeline);
    must(left.length === 0, `left after the end: ${left.join(", ")}`);
  }

  private process(): void {
    this.given += this.vector.length;
    this.pipeline.process(this.vector);
    for (let i = 0; i < this.vector.length; i++) must(this.vector.fate[i] !== 0, "a packet without a fate");
  }

  private check(record: SessionRecord, secrets: ReadonlySet<string>): void {
    this.records++;
    checkStream(record.mptcp.stream.initiator);
    checkStream(record.mptcp.stream.responder);
    if (this.random.below(CLOSELY) !== 0) return;
    const { error } = sessionRecord.safeParse(record);
    must(error === undefined, `a record that is none: ${JSON.stringify(error?.issues)}`);
    const text = JSON.stringify(record);
    for (const [word] of text.matchAll(/[0-9a-f]{16,}|[0-9]{10,20}/g)) {
      must(!secrets.has(word), `the key ${word} is in a record`);
    }
  }
}

/** The mutated packets of a round; the same for the same seed. */
export function mutated(random: Random, bases: readonly Base[]): { name: string; packets: Packets } {
  const base = pick(random, bases);
  const packets: Packets = [...base.packets];
  const kinds = Object.keys(CAPTURE_MUTATIONS);
  const names = Array.from({ length: 1 + random.below(2) }, () => pick(random, kinds));
  for (const name of names) CAPTURE_MUTATIONS[name]?.(packets, random, pick(random, bases).packets);
  const changes = Math.floor(packets.length * pick(random, [0, 0.002, 0.02, 0.2]));
  const some = Array.from({ length: 1 + random.below(4) }, () => pick(random, Object.keys(PACKET_MUTATIONS)));
  for (let n = 0; n < changes && packets.length > 1; n++) {
    // The first packets are the ones that tell most.
    const i = random.below(2) === 0 ? random.below(Math.min(40, packets.length)) : random.below(packets.length);
    PACKET_MUTATIONS[pick(random, some)]?.(packets, i, random);
  }
  return { name: [base.name, ...names, changes > 0 ? some.join("+") : "unchanged"].join(" "), packets };
}

/** Takes packets of plain TCP, which have one header each, and whose time does not step back. */
function plainTcpCheck(): (packet: Uint8Array, atMicros: number) => void {
  let before = 0;
  return (packet, atMicros) => {
    must(atMicros >= before, `time steps back to ${atMicros}`);
    before = atMicros;
    const isIpv6 = (packet[0] ?? 0) >> 4 === 6;
    const length = isIpv6 ? 40 + (packet[4] ?? 0) * 256 + (packet[5] ?? 0) : (packet[2] ?? 0) * 256 + (packet[3] ?? 0);
    must(length === packet.length && length <= 1500, `a packet of ${length} octets in ${packet.length}`);
    must(packet[isIpv6 ? 6 : 9] === 6, "a packet that is no TCP");
  };
}

const BOUNDS = [
  { sessions: 1024, subflows: 2048, rememberedOctets: 1 << 20 },
  { sessions: 1024, subflows: 2048, rememberedOctets: 1 << 20 },
  { sessions: 8, subflows: 12, pendingJoins: 4, rememberedOctets: 1 << 16 },
  { sessions: 2, subflows: 3, pendingJoins: 1, rememberedOctets: 1 << 12 },
];

/**
 * A round by itself: mutated packets, or a mutated file of them, through a pipeline of its own. Throws where something
 * breaks.
 */
export function playRound(seed: number, bases: readonly Base[], secrets: ReadonlySet<string>): number {
  const random = new Random(seed);
  const { name, packets } = mutated(random, bases);
  const subject = new Subject(
    {
      bounds: pick(random, BOUNDS),
      digest: random.below(2) === 0,
      partial: random.below(4) > 0,
      revisions: random.below(2) === 0 ? "all" : "ended",
      ...(random.below(3) === 0 ? { octets: null } : {}),
      ...(random.below(3) === 0 ? { plainTcp: plainTcpCheck() } : {}),
    },
    random,
    secrets,
  );
  try {
    if (random.below(6) === 0) {
      const linkType = packets[0]?.linkType ?? 101;
      const some = packets.filter((packet) => (packet.linkType ?? 101) === linkType);
      const file = Uint8Array.from(
        pcapFile(some, { linkType, nanoseconds: false, littleEndian: random.below(2) === 0 }),
      );
      for (let n = random.below(30); n > 0; n--) {
        const at = random.below(random.below(2) === 0 ? Math.min(4_000, file.length) : file.length);
        file[at] = (file[at] ?? 0) ^ (1 << random.below(8));
      }
      subject.feedFile(file.slice(0, random.below(4) === 0 ? random.below(file.length) : file.length));
    } else subject.feed(packets, pick(random, [1, 3, 64, 64]));
    subject.account();
    subject.finish();
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Broken ? error.message : (error as Error).stack}`, { cause: error });
  }
  return subject.given;
}
