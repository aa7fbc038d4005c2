import { createReadStream } from "node:fs";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { sniff } from "../../schema/encoding.ts";
import { compressionOf, ExpandedSource, ExpansionError } from "../offline/expanded-source.ts";
import { StreamSource } from "../offline/octet-source.ts";
import { OperationalError, systemWords } from "../runtime/errors.ts";
import type { Arrival } from "./arrival.ts";
import { type RecordSplitter, splitterOf } from "./record-splitter.ts";

const PIECE_OCTETS = 256 * 1024;

/**
 * The records of a file of JSON lines or of MessagePack values, plain, gzip or zstd, told apart by the first octets; `-` is
 * standard input. Offsets count octets after decompression. Throws an OperationalError where the file cannot be read at
 * all; what is damaged inside comes as an arrival, and that there is nothing inside goes to `notice`.
 */
export async function* recordsOfFile(path: string, notice: (line: string) => void): AsyncGenerator<Arrival> {
  const name = path === "-" ? "standard input" : path;
  const raw: Readable = path === "-" ? process.stdin : createReadStream(path, { highWaterMark: PIECE_OCTETS });
  let splitter: RecordSplitter | null = null;
  let octets = 0;
  try {
    for await (const piece of decompressed(raw)) {
      splitter ??= splitterFor(piece, name);
      for (const { offset, decoded } of splitter?.push(piece) ?? []) {
        yield { where: `${name} at octet ${offset}`, decoded };
      }
      octets += piece.length;
    }
  } catch (error) {
    const reason = damage(error, name);
    // Half a record before the damage is part of it, not a fault of its own.
    yield { where: `${name} at octet ${octets}`, decoded: { ok: false, reason } };
    return;
  }
  if (splitter === null) notice(`${name}: is empty; there is no record in it`);
  for (const { offset, decoded } of splitter?.finish() ?? []) yield { where: `${name} at octet ${offset}`, decoded };
}

/** Null as long as a file shows nothing but white space. */
function splitterFor(piece: Buffer, name: string): RecordSplitter | null {
  const format = sniff(piece);
  if (format !== null) return splitterOf(format);
  if (piece.toString("latin1").trim() === "") return null;
  throw new OperationalError(
    "NOT_RECORDS",
    `${name} holds neither JSON lines nor MessagePack records; captures are read with: rejoin read`,
  );
}

async function* decompressed(raw: Readable): AsyncGenerator<Buffer> {
  const pieces = raw[Symbol.asyncIterator]();
  const first = await pieces.next();
  if (first.done === true) return;
  const all = prepended(first.value, pieces);
  const compression = compressionOf(first.value);
  if (compression !== "gzip") {
    yield* compression === null ? all : expanded(Readable.from(all));
    return;
  }
  // Errors of the source reach the reader through the decompressor; the callback has nothing to add.
  yield* pipeline(Readable.from(all), createGunzip(), () => {});
}

async function* expanded(zstd: Readable): AsyncGenerator<Buffer> {
  const source = new ExpandedSource(new StreamSource(zstd), "zstd", new Uint8Array(0));
  try {
    for (;;) {
      const piece = Buffer.allocUnsafe(PIECE_OCTETS);
      const got = await source.read(piece, 0, piece.length);
      if (got === 0) return;
      yield piece.subarray(0, got);
    }
  } finally {
    source.close();
  }
}

async function* prepended(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield first;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** What to say of compressed data that cannot be read on. Throws what is not the data's fault. */
function damage(error: unknown, name: string): string {
  if (error instanceof OperationalError) throw error;
  if (error instanceof ExpansionError) return error.message;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "Z_BUF_ERROR") return "the gzip data ends too early";
  if (code?.startsWith("Z_") === true) return "the gzip data is damaged";
  const reason = code === "EISDIR" ? "it is a directory; name the files in it" : systemWords(error);
  throw new OperationalError("UNREADABLE", `cannot read ${name}: ${reason}`, { cause: error });
}
