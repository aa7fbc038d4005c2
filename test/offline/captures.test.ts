import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { attach, MAX_FILES, openCaptures, readCaptures } from "../../collectors/offline/captures.ts";
import { INPUT_OCTETS, OctetRing } from "../../src/octets/octet-ring.ts";
import { Pipeline } from "../../src/pipeline.ts";
import { pcapFile } from "../support/pcap.ts";
import { PcapngWriter } from "../support/pcapng.ts";
import { CollectedStreams, keeping } from "../support/pipeline-run.ts";
import { needs, titled } from "../support/requirements.ts";
import { folder, packet, pcapAt, put, streams } from "./files.ts";

/** What Linux gives of a pipe at a time. */
const PIPE_OCTETS = 65_536;

interface Seen {
  readonly name: string;
  readonly atMicros: number;
  readonly mark: number;
}

/** All packets of the files in the order they are handed over, and what was said about the files. */
async function readAll(paths: readonly string[], stdin?: Uint8Array) {
  const { inputs, unreadable, again } = await openCaptures(paths, streams(stdin).stdin);
  for (const [i, { input }] of inputs.entries()) input.number(i);
  const seen: Seen[] = [];
  const lengths: number[] = [];
  await readCaptures(
    inputs.map(({ input }) => input),
    ({ length, source, atMicros, at, block }) => {
      lengths.push(length);
      for (let i = 0; i < length; i++) {
        seen.push({
          name: inputs[source[i] ?? 0]?.name ?? "",
          atMicros: atMicros[i] ?? 0,
          mark: block[at[i] ?? 0] ?? 0,
        });
      }
    },
    () => Promise.resolve(true),
  );
  for (const { input } of inputs) input.close();
  return { seen, lengths, unreadable, again, damages: inputs.flatMap(({ input }) => input.damage ?? []) };
}

describe("several files", () => {
  it("are merged by time, whatever order they are named in", async () => {
    const dir = folder();
    const a = put(dir, "a.pcap", pcapAt([10, 30, 50]));
    const b = put(dir, "b.pcap", gzipSync(pcapAt([20, 30, 40, 60], 101)));
    const expected = [
      ["a", 10, 1],
      ["b", 20, 101],
      ["a", 30, 2],
      ["b", 30, 102],
      ["b", 40, 103],
      ["a", 50, 3],
      ["b", 60, 104],
    ];
    for (const paths of [
      [a, b],
      [b, a],
    ]) {
      const { seen } = await readAll(paths);
      expect(seen.map(({ name, atMicros, mark }) => [name, atMicros, mark])).toEqual(expected);
    }
  });

  it("keep the order of a file that steps back in time", async () => {
    const dir = folder();
    const { seen } = await readAll([
      put(dir, "a.pcap", pcapAt([10, 5, 40, 20])),
      put(dir, "b.pcap", pcapAt([11, 30], 101)),
    ]);
    expect(seen.map(({ mark }) => mark)).toEqual([1, 2, 101, 102, 3, 4]);
  });

  it("are each read through their own window while packets of the others wait", async () => {
    const dir = folder();
    const times = Array.from({ length: 3_000 }, (_, i) => i);
    const big = (step: number, mark: number) => pcapFile(times.map((i) => packet(i * step, (mark + i) % 251, 700)));
    const paths = [put(dir, "a.pcap", big(2, 0)), put(dir, "b.pcap", big(3, 7)), put(dir, "empty.pcap", pcapAt([]))];
    const { seen, damages } = await readAll(paths);
    expect(damages).toEqual([]);
    expect(seen.length).toBe(6_000);
    expect(seen.every(({ atMicros }, i) => i === 0 || (seen[i - 1]?.atMicros ?? 0) <= atMicros)).toBe(true);
    for (const [name, mark] of [
      ["a", 0],
      ["b", 7],
    ] as const) {
      const marks = seen.filter((one) => one.name === name).map((one) => one.mark);
      expect(marks).toEqual(times.map((i) => (mark + i) % 251));
    }
  });

  it("merge as a sort by time would, ties by first packet and name", async () => {
    const times = fc.array(fc.nat(30), { maxLength: 90 }).map((list) => list.sort((a, b) => a - b));
    await fc.assert(
      fc.asyncProperty(fc.array(times, { minLength: 2, maxLength: 7 }), fc.boolean(), async (lists, reversed) => {
        const dir = folder();
        const paths = lists.map((list, i) => put(dir, `${i}.pcap`, pcapAt(list)));
        const { seen } = await readAll(reversed ? paths.reverse() : paths);
        const rank = (i: number) => lists[i]?.[0] ?? 0;
        const expected = lists
          .flatMap((list, i) => list.map((atMicros) => ({ name: String(i), atMicros, i })))
          .sort((a, b) => a.atMicros - b.atMicros || rank(a.i) - rank(b.i) || a.i - b.i);
        expect(seen.map(({ name, atMicros }) => [name, atMicros])).toEqual(
          expected.map((one) => [one.name, one.atMicros]),
        );
      }),
      { numRuns: 40 },
    );
  });

  it("go on when one of them is damaged", async () => {
    const dir = folder();
    const cut = pcapAt([10, 20, 30]).subarray(0, -5);
    const { seen, damages } = await readAll([put(dir, "cut.pcap", cut), put(dir, "b.pcap", pcapAt([15, 40], 101))]);
    expect(seen.map(({ mark }) => mark)).toEqual([1, 101, 2, 102]);
    expect(damages).toEqual([`${join(dir, "cut.pcap")}: ends after 71 octets of a packet record, at offset 176`]);
  });

  it("are read once when named twice", async () => {
    const dir = folder();
    const path = put(dir, "a.pcap", pcapAt([1, 2]));
    symlinkSync(path, join(dir, "b.pcap"));
    const { seen, again } = await readAll([path, path, join(dir, "b.pcap")]);
    expect(seen.length).toBe(2);
    expect(again).toEqual([
      `${path}: is named twice, and read once`,
      `${join(dir, "b.pcap")}: is the same file as ${path}, and read once`,
    ]);
  });

  it("are bounded in number", async () => {
    const paths = Array.from({ length: MAX_FILES + 1 }, (_, i) => `none-${i}.pcap`);
    await expect(readAll(paths)).rejects.toThrow("257 files are more than the 256 that are read together");
  });
});

describe("one file", () => {
  it("comes in full vectors", async () => {
    const dir = folder();
    const times = Array.from({ length: 1_000 }, (_, i) => i);
    const { lengths, seen } = await readAll([put(dir, "a.pcap", pcapAt(times))]);
    expect(seen.map(({ atMicros }) => atMicros)).toEqual(times);
    expect(lengths).toEqual([...Array.from({ length: 15 }, () => 64), 40]);
  });

  it("may be standard input", async () => {
    const { seen } = await readAll(["-"], pcapAt(Array.from({ length: 500 }, (_, i) => i)));
    expect([seen.length, seen[499]?.atMicros, seen[0]?.name]).toEqual([500, 499, "stdin"]);
  });

  it("may be compressed standard input", async () => {
    const { seen } = await readAll(["-"], gzipSync(pcapAt(Array.from({ length: 500 }, (_, i) => i))));
    expect(seen.length).toBe(500);
  });

  it.each([
    ["in its ring", 4 * INPUT_OCTETS],
    ["behind its ring", 65_536],
  ])("comes into memory of a pipeline, %s, octet for octet, however it is stored", async (_, ringOctets) => {
    const lengths = Array.from({ length: 700 }, (_, i) => (i % 90 === 7 ? 262_144 : 1 + ((i * 7919) % 9_000)));
    const capture = pcapFile(lengths.map((length, i) => packet(i, 1 + (i % 255), length)));
    const path = put(folder(), "a.pcap", capture);
    const packed = put(folder(), "a.pcap.gz", gzipSync(capture));
    for (const [name, stdin] of [[path], [packed], ["-", capture]] as const) {
      const { inputs } = await openCaptures([name], streams(stdin).stdin);
      const [input] = inputs.map((one) => one.input);
      const ring = new OctetRing(ringOctets, 0);
      let isInRing = false;
      const seen: boolean[] = [];
      input?.readInto(ring);
      await readCaptures(
        input === undefined ? [] : [input],
        ({ length, block, at, captured }) => {
          for (let i = 0; i < length; i++) {
            const octets = block.subarray(at[i], (at[i] ?? 0) + (captured[i] ?? 0));
            const mark = 1 + (seen.length % 255);
            seen.push(octets.length === lengths[seen.length] && octets.every((octet) => octet === mark));
            isInRing ||= (at[i] ?? 0) < ring.size;
            // Who keeps octets takes a slice of them, which of a Buffer is no copy.
            expect(Buffer.isBuffer(block)).toBe(false);
            ring.keep(block, at[i] ?? 0, octets.length);
          }
        },
        () => Promise.resolve(true),
      );
      input?.close();
      expect([seen.length, seen.indexOf(false), isInRing]).toEqual([700, -1, ringOctets > INPUT_OCTETS]);
    }
  });

  it("comes into memory of the pipeline that it is attached to; where there are two, neither does", async () => {
    const dir = folder();
    const paths = [put(dir, "a.pcap", pcapAt([1, 2])), put(dir, "b.pcap", pcapAt([3, 4]))];
    for (const count of [1, 2]) {
      const { inputs } = await openCaptures(paths.slice(0, count), streams().stdin);
      const pipeline = new Pipeline(keeping([], new CollectedStreams()));
      attach(inputs, pipeline);
      const isThere = inputs.map(({ input }) => input.vector.block === pipeline.memory.block);
      expect(isThere).toEqual(count === 1 ? [true] : [false, false]);
      expect(inputs.map(({ input }) => [...input.vector.source.subarray(0, 2)])).toEqual(
        [
          [0, 0],
          [1, 1],
        ].slice(0, count),
      );
      for (const { input } of inputs) input.close();
    }
  });

  it("has room for a whole piece of a pipe in each window, and no window for each piece", async () => {
    const capture = pcapFile(Array.from({ length: 2_000 }, (_, i) => packet(i, 1, 1_000)));
    const pieces = Array.from({ length: Math.ceil(capture.length / PIPE_OCTETS) }, (_, i) =>
      capture.subarray(i * PIPE_OCTETS, (i + 1) * PIPE_OCTETS),
    );
    const { inputs } = await openCaptures(["-"], Readable.from(pieces));
    const [input] = inputs.map((one) => one.input);
    const ring = new OctetRing(65_536, 0);
    const windows = vi.spyOn(ring, "nextInput");
    input?.readInto(ring);
    const taken: number[] = [];
    await readCaptures(
      input === undefined ? [] : [input],
      () => {},
      async () => taken.push(input?.taken ?? 0) > 0,
    );
    expect(taken).toEqual(pieces.map((_, i) => Math.min((i + 1) * PIPE_OCTETS, capture.length)));
    // Eight pieces are a window; what is not decoded yet takes the room of one.
    expect(windows.mock.calls.length).toBeLessThanOrEqual(Math.ceil(pieces.length / 7));
  });

  it("is never held as a whole: reading stops when its taker says so", async () => {
    const dir = folder();
    const path = put(dir, "big.pcap", pcapFile(Array.from({ length: 3_000 }, (_, i) => packet(i, 1, 1_400))));
    const { inputs } = await openCaptures([path], streams().stdin);
    const [first] = inputs.map(({ input }) => input);
    let packets = 0;
    await readCaptures(
      inputs.map(({ input }) => input),
      ({ length }) => {
        packets += length;
      },
      () => Promise.resolve(false),
    );
    expect(packets).toBeLessThan(1_000);
    expect(first?.taken).toBe(524_288);
    first?.close();
  });
});

describe("a file of which nothing can be read", () => {
  const capture = pcapAt([1, 2, 3]);
  it.each([
    ["empty", new Uint8Array(0), "is empty; a capture file has a header at least"],
    ["text", "hello world, this is text", 'is no capture file at offset 0 (text that begins "hello world, thi")'],
    ["short", Uint8Array.of(1, 2), "is no capture file at offset 0 (begins with the octets 0102)"],
    [
      "random",
      Uint8Array.of(0xde, 0xad, 0xbe, 0xef, 5),
      "is no capture file at offset 0 (begins with the octets deadbeef)",
    ],
    ["header cut", capture.subarray(0, 20), "ends after 20 octets of a file header, at offset 0"],
    ["version", capture.slice().fill(9, 4, 5), "pcap version 9.4, not 2.4, at offset 0"],
    [
      "pcapng header cut",
      new PcapngWriter(true).section().subarray(0, 20),
      "ends after 20 octets of a block, at offset 0",
    ],
    ["gzip of text", gzipSync("hello world"), "is no capture file at offset 0 of its uncompressed octets"],
    ["gzip of nothing", gzipSync(""), "holds nothing, compressed with gzip"],
    ["gzip header only", gzipSync(capture).subarray(0, 10), "its gzip data is cut short: ends at octet 10"],
    ["gzip damaged at once", gzipSync(capture).fill(0xff, 10, 12), "its gzip data is damaged (invalid block type)"],
  ])("says so: %s", async (_, octets, words) => {
    const path = put(folder(), "x.pcap", octets);
    const { unreadable } = await readAll([path]);
    expect(unreadable.length).toBe(1);
    expect(unreadable[0]?.startsWith(`${path}: `)).toBe(true);
    expect(unreadable[0]).toContain(words);
  });

  it("says so: missing, a folder", async () => {
    const dir = folder();
    mkdirSync(join(dir, "sub"));
    const { unreadable } = await readAll([join(dir, "none.pcap"), join(dir, "sub")]);
    expect(unreadable).toEqual([
      `${join(dir, "none.pcap")}: no such file`,
      `${join(dir, "sub")}: is a directory; name the capture files in it, such as DIR/*.pcap`,
    ]);
  });
});

const tools = needs("editcap", "tshark");
describe.skipIf(tools)(titled("files of other programs", tools), () => {
  it.each(["pcap", "nsecpcap", "pcapng"])("give the packets tshark finds: %s", async (format) => {
    const dir = folder();
    const from = put(dir, "from.pcap", pcapAt([1_000_000, 2_500_000, 2_500_001, 1_767_225_600_123_456]));
    const to = join(dir, "to");
    expect(spawnSync("editcap", ["-F", format, from, to]).status).toBe(0);
    const { stdout } = spawnSync("tshark", ["-r", to, "-T", "fields", "-e", "frame.time_epoch"], { encoding: "utf8" });
    const times = stdout
      .trim()
      .split("\n")
      .map((text) => Math.round(Number(text.slice(-10)) * 1e6));
    const { seen } = await readAll([to]);
    expect(seen.map(({ atMicros }) => atMicros)).toEqual([1_000_000, 2_500_000, 2_500_001, 1_767_225_600_123_456]);
    expect(times.length).toBe(4);
  });
});
