import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { onTestFinished } from "vitest";
import { pcapFile } from "../support/pcap.ts";
import type { StatedPacket } from "../support/pcapng.ts";

/** A folder that goes away with the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "rejoin-offline-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Writes a file into the folder and returns its path. */
export function put(directory: string, name: string, octets: Uint8Array | string, mode = 0o644): string {
  const path = join(directory, name);
  writeFileSync(path, octets, { mode });
  return path;
}

/** A packet of `length` octets that all have the value `mark`. */
export function packet(atMicros: number, mark: number, length = 60): StatedPacket {
  return { atMicros, wire: length, octets: new Uint8Array(length).fill(mark) };
}

/** A pcap file with a packet at each of these times, marked 1, 2, 3 ... from `mark` on. */
export function pcapAt(times: readonly number[], mark = 1): Uint8Array {
  return pcapFile(times.map((time, i) => packet(time, (mark + i) & 0xff)));
}

/** Standard streams for a reading in this process; the texts are what was written so far. */
export function streams(stdin: Uint8Array = new Uint8Array(0)) {
  const texts = { out: "", err: "" };
  const stdout = new PassThrough().on("data", (chunk) => {
    texts.out += String(chunk);
  });
  const stderr = new PassThrough().on("data", (chunk) => {
    texts.err += String(chunk);
  });
  return { stdin: Readable.from(pieces(stdin)), stdout, stderr, texts };
}

function pieces(octets: Uint8Array): Uint8Array[] {
  return Array.from({ length: Math.ceil(octets.length / 1000) }, (_, i) => octets.subarray(i * 1000, (i + 1) * 1000));
}
