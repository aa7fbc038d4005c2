import { type Decoded, decode, decodeAt, type Format, sniff } from "../../schema/encoding.ts";

/** A record longer than this is left out and reported; it bounds what is held of a file. Kafka's bound is 1 MB unless raised. */
export const MAX_RECORD_OCTETS = 4 * 1024 * 1024;

/** One record of a file, or what stands in its place, and the octet it begins at. */
export interface Found {
  readonly offset: number;
  readonly decoded: Decoded;
}

/** Finds records in octets that come in pieces of any size. */
export interface RecordSplitter {
  /** The records that end in this piece. The piece must stay as it is until the records are taken. */
  push(piece: Buffer): Iterable<Found>;
  /** What is left when no more pieces come. */
  finish(): Iterable<Found>;
}

/** A splitter for JSON lines, or for MessagePack values that follow each other. */
export function splitterOf(format: Format): RecordSplitter {
  return format === "json" ? new LineSplitter() : new ValueSplitter();
}

const NEWLINE = 0x0a;
const TOO_LONG: Decoded = { ok: false, reason: `longer than ${MAX_RECORD_OCTETS} octets` };

/** One record per line; a line that is none does not hurt the next. */
class LineSplitter implements RecordSplitter {
  private pieces: Buffer[] = [];
  private held = 0;
  private offset = 0;
  private skipping = false;

  *push(piece: Buffer): Iterable<Found> {
    let from = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, from)) {
      yield* this.hold(piece.subarray(from, end));
      yield* this.take("at a line end");
      this.offset++;
      from = end + 1;
    }
    yield* this.hold(piece.subarray(from));
  }

  *finish(): Iterable<Found> {
    yield* this.take("at the end");
  }

  /** What is held as a record, where a line ends or all of it does. */
  private *take(where: "at a line end" | "at the end"): Iterable<Found> {
    const line = this.pieces.length === 1 && this.pieces[0] ? this.pieces[0] : Buffer.concat(this.pieces);
    const begin = this.offset;
    this.offset += this.held;
    this.pieces = [];
    this.held = 0;
    if (!this.skipping && !isBlank(line)) {
      const decoded = decode(line, "json");
      const cut = !decoded.ok && where === "at the end" && sniff(line) === "json";
      yield { offset: begin, decoded: cut ? cutShort(line.length) : decoded };
    }
    this.skipping = false;
  }

  private *hold(part: Buffer): Iterable<Found> {
    this.held += part.length;
    if (this.skipping) return;
    if (this.held <= MAX_RECORD_OCTETS) {
      this.pieces.push(part);
      return;
    }
    this.skipping = true;
    this.pieces = [];
    yield { offset: this.offset, decoded: TOO_LONG };
  }
}

/**
 * An unfinished value of so many octets is looked at again only when it has grown by a quarter: it is decoded from its
 * beginning each time.
 */
const LARGE_OCTETS = 65_536;
const GROWTH = 1.25;

/** Values without a frame: behind one that is no record nothing more can be found. */
class ValueSplitter implements RecordSplitter {
  private rest: Buffer = Buffer.alloc(0);
  private offset = 0;
  /** Octets that `rest` must have before it is looked at. */
  private wanted = 0;
  private lost = false;

  *push(piece: Buffer): Iterable<Found> {
    if (this.lost) return;
    this.rest = this.rest.length === 0 ? piece : Buffer.concat([this.rest, piece]);
    if (this.rest.length >= Math.min(this.wanted, MAX_RECORD_OCTETS)) yield* this.values();
  }

  *finish(): Iterable<Found> {
    if (this.lost) return;
    yield* this.values();
    if (this.lost || this.rest.length === 0) return;
    yield { offset: this.offset, decoded: cutShort(this.rest.length) };
  }

  private *values(): Iterable<Found> {
    let at = 0;
    while (at < this.rest.length && !this.lost) {
      const value = decodeAt(this.rest, at);
      if (value === null) break;
      const { decoded } = value;
      const offset = this.offset + at;
      at = value.end;
      this.lost = !decoded.ok;
      const reason = decoded.ok ? "" : `${decoded.reason}; nothing behind it is read`;
      yield { offset, decoded: decoded.ok ? decoded : { ok: false, reason } };
    }
    this.rest = this.rest.subarray(at);
    this.offset += at;
    this.wanted = this.rest.length < LARGE_OCTETS ? 0 : this.rest.length * GROWTH;
    if (!this.lost && this.rest.length > MAX_RECORD_OCTETS) {
      this.lost = true;
      yield { offset: this.offset, decoded: TOO_LONG };
    }
  }
}

function cutShort(octets: number): Decoded {
  return { ok: false, reason: `ends inside a record, after ${octets} octets of it` };
}

function isBlank(line: Buffer): boolean {
  return line.every((octet) => octet === 0x20 || octet === 0x09 || octet === 0x0d);
}
