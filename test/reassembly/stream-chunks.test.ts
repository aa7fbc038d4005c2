import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CHUNK_PATIENCE, type StreamChunk } from "../../src/reassembly/stream-chunk.ts";
import { StreamChunks } from "../../src/reassembly/stream-chunks.ts";
import { give as giveTo, windowsOf } from "./windows.ts";

const STREAMS = 4;
const SIZE = 16;
const PATIENCE = { ...CHUNK_PATIENCE, holeMicros: 100, chunkMicros: 10 };

/** Chunks as they come, with octets that stay. */
function collector(patience = PATIENCE, count = 64) {
  const chunks: StreamChunk[] = [];
  const { ring, windows } = windowsOf(STREAMS, count, SIZE);
  const streams = new StreamChunks(STREAMS, windows, patience, (chunk) =>
    chunks.push({ ...chunk, octets: Uint8Array.from(chunk.octets) }),
  );
  const give = (offset: number, octets: string | Uint8Array, stream = 0, atMicros?: number) =>
    giveTo(streams, ring, stream, offset, octets, atMicros);
  return { chunks, streams, give, windows };
}

/** Octet n of a stream. */
const octetAt = (n: number): number => (n * 7 + (n >> 5)) & 0xff;
const piece = (start: number, end: number) => Uint8Array.from({ length: end - start }, (_, i) => octetAt(start + i));
const text = (chunk: StreamChunk): [number, number, string] => [
  chunk.hole,
  chunk.offset,
  Buffer.from(chunk.octets).toString("latin1"),
];

describe("chunks of streams", () => {
  it("go when their window is full, when they have waited, and at the end", () => {
    const { chunks, streams, give } = collector();
    give(0, "0123456789");
    give(10, "abcdefghij");
    expect(chunks.map(text)).toEqual([[0, 0, "0123456789abcdef"]]);
    streams.advance(9);
    expect(chunks).toHaveLength(1);
    streams.advance(10);
    expect(chunks.map(text).slice(1)).toEqual([[0, 16, "ghij"]]);
    give(20, "the end");
    streams.end(0);
    expect(chunks.slice(2).map(({ final }) => final)).toEqual([true]);
    expect(chunks.map(text).slice(2)).toEqual([[0, 20, "the end"]]);
  });

  it("wait for a hole until its deadline, and say what is missing", () => {
    const { chunks, streams, give } = collector();
    streams.advance(1000);
    give(0, "ab");
    give(5, "fg");
    streams.advance(1099);
    expect(chunks.map(text)).toEqual([[0, 0, "ab"]]);
    streams.advance(1100);
    streams.advance(1110);
    expect(chunks.map(text).slice(1)).toEqual([[3, 5, "fg"]]);
    // What was given up comes too late, and is counted.
    give(2, "cde");
    streams.end(0);
    expect(chunks.map(text).slice(2)).toEqual([[0, 7, ""]]);
    expect(streams.lateOctets).toBe(3);
  });

  it("wait since the time of their packet, and not since time passed last", () => {
    const { chunks, streams, give } = collector();
    streams.advance(1000);
    give(0, "ab", 0, 1500);
    give(5, "fg", 0, 1500);
    streams.advance(1509);
    expect(chunks).toEqual([]);
    streams.advance(1510);
    expect(chunks.map(text)).toEqual([[0, 0, "ab"]]);
    give(2, "cde", 0, 1599);
    streams.advance(1609);
    expect(chunks.map(text).slice(1)).toEqual([[0, 2, "cdefg"]]);
    expect(streams.lateOctets).toBe(0);
  });

  it("say when the newest octets came, as far as that time is believed", () => {
    const { chunks, streams, give } = collector();
    streams.advance(1000);
    give(0, "a", 0, 1400);
    give(1, "b", 0, 1200);
    streams.flush(0);
    give(2, "c", 0, 1e15);
    streams.flush(0);
    give(0, "d", 1, 1e15);
    streams.flush(1);
    // A copy that comes late is of the time that holds.
    give(0, "e", 2, 900);
    streams.end(2);
    expect(chunks.map(({ newestMicros }) => newestMicros)).toEqual([1400, 1400, 1000, 1000]);
  });

  it("wait each from its own time on, whichever stream began first", () => {
    const { chunks, streams, give } = collector();
    const gone = () => chunks.splice(0).map(({ stream, offset, hole }) => `${stream} ${offset} ${hole}`);
    streams.advance(1000);
    give(5, "f", 0);
    give(9, "j", 0);
    streams.advance(1050);
    give(5, "f", 1);
    streams.advance(1060);
    // The first hole of 0 is filled: it waits for its second one from now on, behind 1.
    give(0, "abcde", 0);
    streams.advance(1069);
    expect(gone()).toEqual([]);
    streams.advance(1070);
    expect(gone()).toEqual(["0 0 0"]);
    streams.advance(1149);
    expect(gone()).toEqual([]);
    streams.advance(1150);
    give(0, "x", 2);
    streams.advance(1159);
    expect(gone()).toEqual([]);
    streams.advance(1160);
    expect(gone()).toEqual(["1 5 5", "2 0 0"]);
    streams.advance(1170);
    expect(gone()).toEqual(["0 9 3"]);
  });

  it("wait as long as ever where the clock was set back meanwhile", () => {
    const { chunks, streams, give } = collector();
    const gone = () => chunks.splice(0).map(({ stream, offset, hole }) => `${stream} ${offset} ${hole}`);
    streams.advance(100_000);
    give(5, "f", 0);
    give(0, "a", 1);
    streams.advance(5000);
    expect(gone()).toEqual([]);
    streams.advance(5001);
    // Those that came behind the step do not wait for those before it.
    give(0, "b", 2);
    give(7, "h", 3);
    streams.advance(5009);
    expect(gone()).toEqual([]);
    streams.advance(5010);
    expect(gone()).toEqual(["1 0 0"]);
    streams.advance(5011);
    expect(gone()).toEqual(["2 0 0"]);
    streams.advance(5099);
    expect(gone()).toEqual([]);
    streams.advance(5100);
    streams.advance(5110);
    expect(gone()).toEqual(["0 5 5"]);
    streams.advance(5120);
    expect(gone()).toEqual(["3 7 7"]);
  });

  it("keep streams apart, and say nothing of one without octets", () => {
    const { chunks, streams, give } = collector();
    give(0, "only", 1);
    streams.end(0);
    streams.end(1);
    expect(chunks.map(({ stream, final }) => [stream, final])).toEqual([[1, true]]);
  });

  it("are those of another session when a number is given anew", () => {
    const { chunks, streams, give } = collector();
    give(3, "defg");
    give(40, "far");
    streams.end(0);
    give(0, "new");
    streams.end(0);
    expect(chunks.map(text)).toEqual([
      [3, 3, "defg"],
      [33, 40, "far"],
      [0, 0, "new"],
    ]);
  });

  it("give a hole up early where a stream has as many windows as it may", () => {
    const { chunks, streams, give } = collector({ ...PATIENCE, windows: 2 });
    for (let n = 0; n < 4; n++) give(10 + n * 16, "x".repeat(4));
    expect(streams.shedHoles).toBe(2);
    streams.end(0);
    expect(chunks.filter(({ octets }) => octets.length > 0).map(({ offset, hole }) => [offset, hole])).toEqual([
      [10, 10],
      [26, 12],
      [42, 12],
      [58, 12],
    ]);
  });

  it("where no window is left let what waits longest in order go, and then the longest hole", () => {
    const { chunks, streams, give } = collector(PATIENCE, 2);
    streams.advance(1);
    give(0, "first", 0);
    streams.advance(2);
    give(0, "second", 1);
    give(0, "third", 2);
    expect(chunks.splice(0).map(text)).toEqual([[0, 0, "first"]]);
    give(8, "hole", 1);
    give(8, "hole", 2);
    expect(chunks).toEqual([]);
    give(0, "more", 3);
    // What was in order of 1 and 2 did not make a window free.
    expect(chunks.map(text)).toEqual([
      [0, 0, "second"],
      [0, 0, "third"],
      [2, 8, "hole"],
    ]);
    expect(streams.shedHoles).toBe(1);
  });

  it("let the other side have the word where turns are asked for: a plain list of who spoke agrees", () => {
    const spoken = fc.array(fc.tuple(fc.integer({ min: 0, max: 1 }), fc.integer({ min: 1, max: 40 })), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(spoken, (list) => {
        const { chunks, streams, give } = collector({ ...PATIENCE, turns: true });
        const said = ["", ""];
        const turns: [number, string][] = [];
        for (const [side, length] of list) {
          const words = Buffer.from(piece((said[side] ?? "").length, (said[side] ?? "").length + length)).toString(
            "latin1",
          );
          give((said[side] ?? "").length, Buffer.from(words, "latin1"), side);
          said[side] += words;
          const last = turns.at(-1);
          if (last?.[0] === side) last[1] += words;
          else turns.push([side, words]);
        }
        streams.end(0);
        streams.end(1);
        const told: [number, string][] = [];
        for (const { stream, octets } of chunks.filter(({ octets }) => octets.length > 0)) {
          const last = told.at(-1);
          if (last?.[0] === stream) last[1] += Buffer.from(octets).toString("latin1");
          else told.push([stream, Buffer.from(octets).toString("latin1")]);
        }
        // Who waits at the end goes one stream after the other.
        const by = (side: number) => (one: [number, string]) => one[0] === side;
        expect(told.length).toBe(turns.length);
        expect(told.filter(by(0))).toEqual(turns.filter(by(0)));
        expect(told.map(([stream]) => stream)).toEqual(turns.map(([stream]) => stream));
        expect(told.filter(by(1))).toEqual(turns.filter(by(1)));
      }),
      { numRuns: 300 },
    );
  });

  it("put together are the stream, in order, whatever the order of its pieces: a plain map of octets agrees", () => {
    const pieces = fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.boolean(), fc.nat(300)), {
      maxLength: 60,
      size: "max",
    });
    const bounds = fc.constantFrom({ windows: 2, count: 64 }, { windows: 100, count: 3 }, { windows: 100, count: 200 });
    fc.assert(
      fc.property(pieces, bounds, (list, { windows, count }) => {
        const { chunks, streams, give, windows: all } = collector({ ...PATIENCE, windows }, count);
        let at = 0;
        const sent = list.map(([length, lost, rank]) => {
          const one = { start: at, end: at + length, lost, rank };
          at += length;
          return one;
        });
        const order = sent.filter(({ lost }) => !lost).map((one, n) => ({ ...one, due: n * 10 + one.rank }));
        let micros = 0;
        let given = 0;
        // Another stream, which takes windows too.
        give(1, "disturbs", 1);
        for (const { start, end } of order.sort((a, b) => a.due - b.due)) {
          give(start, piece(start, end));
          given += end - start;
          micros += 7;
          streams.advance(micros);
        }
        streams.end(0);
        const own = chunks.filter(({ stream }) => stream === 0);
        let next = 0;
        let told = 0;
        for (const { offset, hole, octets, final } of own) {
          expect(offset).toBe(next + hole);
          expect([...octets]).toEqual([...piece(offset, offset + octets.length)]);
          expect(Math.floor(offset / SIZE)).toBe(Math.floor((offset + Math.max(octets.length, 1) - 1) / SIZE));
          expect(octets.length > 0 || final).toBe(true);
          next = offset + octets.length;
          told += octets.length;
        }
        expect(told + streams.lateOctets).toBe(given);
        expect(own.filter(({ final }) => final)).toHaveLength(given > 0 ? 1 : 0);
        expect(own.at(-1)?.final ?? true).toBe(true);
        expect(all.counts[0]).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
