import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CHUNK_BOUNDS, type Chunk, StreamChunks } from "../../src/reassembly/stream-chunks.ts";

const BOUNDS = { ...CHUNK_BOUNDS, chunkOctets: 16, holeMicros: 100, chunkMicros: 10 };

/** Chunks as they come, and what they say together: octets by offset. */
function collector(bounds = BOUNDS) {
  const chunks: Chunk[] = [];
  return { chunks, streams: new StreamChunks((chunk) => chunks.push(chunk), bounds) };
}

/** Octet n of a stream. */
const octetAt = (n: number): number => (n * 7 + (n >> 5)) & 0xff;
const piece = (start: number, end: number) => Uint8Array.from({ length: end - start }, (_, i) => octetAt(start + i));
const text = (chunk: Chunk): [number, number, string] => [
  chunk.hole,
  chunk.offset,
  Buffer.from(chunk.octets).toString("latin1"),
];

function give(
  streams: StreamChunks,
  offset: number,
  octets: string | Uint8Array,
  side: 0 | 1 = 0,
  session = "session",
): void {
  // The block is another one each time, and does not stay.
  const block = Buffer.concat([Buffer.from("???"), Buffer.from(octets)]);
  streams.octets(session, side, offset, block, 3, octets.length);
  block.fill(0);
}

describe("chunks of streams", () => {
  it("go when they are full, when they have waited, and at the end", () => {
    const { chunks, streams } = collector();
    give(streams, 0, "0123456789");
    give(streams, 10, "abcdefghij");
    expect(chunks.map(text)).toEqual([[0, 0, "0123456789abcdef"]]);
    streams.advance(9);
    expect(chunks).toHaveLength(1);
    streams.advance(10);
    expect(chunks.map(text).slice(1)).toEqual([[0, 16, "ghij"]]);
    give(streams, 20, "the end");
    streams.end("session");
    expect(chunks.slice(2).map(({ final }) => final)).toEqual([true]);
    expect(chunks.map(text).slice(2)).toEqual([[0, 20, "the end"]]);
  });

  it("wait on when one packet states a time far ahead", () => {
    const { chunks, streams } = collector();
    streams.advance(1000);
    give(streams, 2, "cd");
    streams.advance(1000 + 86_400e6);
    streams.advance(1001);
    give(streams, 0, "ab");
    streams.end("session");
    expect(chunks.map(text)).toEqual([[0, 0, "abcd"]]);
  });

  it("wait for a hole until its deadline, and say what is missing", () => {
    const { chunks, streams } = collector();
    streams.advance(1000);
    give(streams, 0, "ab");
    give(streams, 5, "fg");
    streams.advance(1099);
    expect(chunks.map(text)).toEqual([[0, 0, "ab"]]);
    streams.advance(1100);
    streams.advance(1110);
    expect(chunks.map(text).slice(1)).toEqual([[3, 5, "fg"]]);
    // What was given up comes too late, and is counted.
    give(streams, 2, "cde");
    streams.end("session");
    expect(chunks.map(text).slice(2)).toEqual([[0, 7, ""]]);
    expect(streams.lateOctets).toBe(3);
  });

  it("wait each from its own time on, whichever stream began first", () => {
    const { chunks, streams } = collector();
    const gone = () => chunks.splice(0).map(({ sessionId, offset, hole }) => `${sessionId} ${offset} ${hole}`);
    streams.advance(1000);
    give(streams, 5, "f", 0, "a");
    give(streams, 9, "j", 0, "a");
    streams.advance(1050);
    give(streams, 5, "f", 0, "b");
    streams.advance(1060);
    // The first hole of a is filled: it waits for its second one from now on, behind b.
    give(streams, 0, "abcde", 0, "a");
    streams.advance(1069);
    expect(gone()).toEqual([]);
    streams.advance(1070);
    expect(gone()).toEqual(["a 0 0"]);
    streams.advance(1149);
    expect(gone()).toEqual([]);
    streams.advance(1150);
    give(streams, 0, "x", 0, "c");
    streams.advance(1159);
    expect(gone()).toEqual([]);
    streams.advance(1160);
    expect(gone()).toEqual(["b 5 5", "c 0 0"]);
    streams.advance(1170);
    expect(gone()).toEqual(["a 9 3"]);
  });

  it("keep the sides apart, and say nothing of a side without octets", () => {
    const { chunks, streams } = collector();
    give(streams, 0, "only", 1);
    streams.end("session");
    streams.end("another");
    expect(chunks.map(({ side, final }) => [side, final])).toEqual([[1, true]]);
  });

  it("give a hole up early where a stream, or all of them, hold too much", () => {
    for (const bounds of [
      { ...BOUNDS, streamOctets: 600 },
      { ...BOUNDS, allOctets: 600 },
    ]) {
      const { chunks, streams } = collector(bounds);
      for (let n = 0; n < 4; n++) give(streams, 10 + n * 20, "x".repeat(10));
      expect(streams.shedHoles).toBe(2);
      streams.end("session");
      expect(chunks.map(({ offset, hole }) => [offset, hole])).toEqual([
        [10, 10],
        [30, 10],
        [50, 10],
        [70, 10],
      ]);
    }
  });

  it("put together are the stream, in order, whatever the order of its pieces: a plain map of octets agrees", () => {
    const pieces = fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.boolean(), fc.nat(300)), {
      maxLength: 60,
      size: "max",
    });
    fc.assert(
      fc.property(pieces, fc.constantFrom(300, 2000, 1 << 20), (list, streamOctets) => {
        const { chunks, streams } = collector({ ...BOUNDS, streamOctets });
        let at = 0;
        const sent = list.map(([length, lost, rank]) => {
          const one = { start: at, end: at + length, lost, rank };
          at += length;
          return one;
        });
        const order = sent.filter(({ lost }) => !lost).map((one, n) => ({ ...one, due: n * 10 + one.rank }));
        let micros = 0;
        let given = 0;
        for (const { start, end } of order.sort((a, b) => a.due - b.due)) {
          give(streams, start, piece(start, end));
          given += end - start;
          micros += 7;
          streams.advance(micros);
        }
        streams.end("session");
        let next = 0;
        let told = 0;
        for (const { offset, hole, octets, final } of chunks) {
          expect(offset).toBe(next + hole);
          expect([...octets]).toEqual([...piece(offset, offset + octets.length)]);
          expect(octets.length).toBeLessThanOrEqual(16);
          expect(octets.length > 0 || final).toBe(true);
          next = offset + octets.length;
          told += octets.length;
        }
        expect(told + streams.lateOctets).toBe(given);
        expect(chunks.filter(({ final }) => final)).toHaveLength(given > 0 ? 1 : 0);
        expect(chunks.at(-1)?.final ?? true).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
