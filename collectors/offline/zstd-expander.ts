import { Decompress } from "fzstd";
import { Xxh64 } from "./xxh64.ts";

const FRAME = 0xfd2fb528;
const FRAME_OCTETS = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);
const SKIPPABLE = 0x184d2a50;
/** A frame that needs more memory than this to expand is refused, as zstd itself does unless told otherwise. */
const MAX_WINDOW_OCTETS = 128 * 1_048_576;
const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;

/** What to do with the next octets: collect them to look at, or pass over them. */
type Step = { readonly collect: number } | { readonly pass: number };

/** The compressed octets end too early. */
export class CutShortError extends Error {}

/**
 * zstd in JavaScript, for Node before 22.15. Follows the frames of RFC 8878 §3.1 itself and has fzstd expand each, for
 * two reasons: fzstd compares no checksum, and would allocate whatever window a frame names.
 */
export class ZstdExpander {
  /** Octets to hand over per `push`: 4 of them can expand to 128 KiB, so that up to 256 MiB come out, if made to. */
  readonly chunk = 8_192;
  private readonly deliver: (octets: Uint8Array) => void;
  private readonly walk = this.frames();
  private step: Step = { collect: 4 };
  private readonly collected = new DataView(new ArrayBuffer(16));
  private have = 0;
  private frame: Decompress | null = null;

  constructor(deliver: (octets: Uint8Array) => void) {
    this.deliver = deliver;
    this.walk.next();
  }

  /** Expands the next octets of the file. Throws where they are damaged, after delivering what precedes. */
  push(octets: Uint8Array): void {
    // fzstd keeps parts of what it is given, and the caller uses its buffer again.
    const kept = octets.slice();
    for (let at = 0; at < kept.length; ) {
      const { step } = this;
      const wanted = "pass" in step ? step.pass - this.have : step.collect - this.have;
      const piece = kept.subarray(at, at + wanted);
      if ("collect" in step) for (const [i, octet] of piece.entries()) this.collected.setUint8(this.have + i, octet);
      this.frame?.push(piece);
      this.have += piece.length;
      at += piece.length;
      if (piece.length === wanted) this.advance();
    }
  }

  /** Says that the file has ended. Throws a CutShortError unless a frame has, too. */
  finish(): void {
    if (this.frame !== null || this.have > 0 || "pass" in this.step) throw new CutShortError("ends inside a frame");
  }

  close(): void {}

  private advance(): void {
    do {
      this.have = 0;
      const { value } = this.walk.next();
      if (value !== undefined) this.step = value;
    } while ("pass" in this.step && this.step.pass === 0);
  }

  /** The frames one after the other: yields what it wants, finds it in `collected`. */
  private *frames(): Generator<Step, void, undefined> {
    const { collected } = this;
    for (;;) {
      yield { collect: 4 };
      const magic = collected.getUint32(0, true);
      if (magic === FRAME) yield* this.blocks();
      else if ((magic & ~15) === SKIPPABLE) {
        yield { collect: 4 };
        yield { pass: collected.getUint32(0, true) };
      } else throw new Error("no frame where one should begin");
    }
  }

  private *blocks(): Generator<Step, void, undefined> {
    const { collected } = this;
    const hash = new Xxh64();
    this.frame = new Decompress((octets) => {
      hash.update(octets);
      this.deliver(octets);
    });
    this.frame.push(FRAME_OCTETS);
    yield { collect: 1 };
    const flags = collected.getUint8(0);
    const isSingle = (flags & 0x20) !== 0;
    const dictionary = [0, 1, 2, 4][flags & 3] ?? 0;
    const size = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0;
    yield { collect: (isSingle ? 0 : 1) + dictionary + size };
    checkWindow(isSingle ? sizeIn(collected, dictionary, size) : windowIn(collected.getUint8(0)));
    for (let last = false; !last; ) {
      yield { collect: 3 };
      const header = collected.getUint16(0, true) | (collected.getUint8(2) << 16);
      const type = (header >> 1) & 3;
      if (type === BLOCK_RESERVED) throw new Error("invalid block type");
      last = (header & 1) !== 0;
      yield { pass: type === BLOCK_RLE ? 1 : header >> 3 };
    }
    const isChecked = (flags & 4) !== 0;
    if (isChecked) yield { collect: 4 };
    // Of a frame below 18 octets everything comes out only now.
    this.frame.push(new Uint8Array(0), true);
    this.frame = null;
    const isRight = !isChecked || Number(hash.digest() & 0xffffffffn) === collected.getUint32(0, true);
    if (!isRight) throw new Error("incorrect data check");
  }
}

/** Window_Descriptor, RFC 8878 §3.1.1.1.2. */
function windowIn(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** Frame_Content_Size, RFC 8878 §3.1.1.1.4: the window of a frame that is one segment. */
function sizeIn(header: DataView, at: number, octets: number): number {
  if (octets === 1) return header.getUint8(at);
  if (octets === 2) return header.getUint16(at, true) + 256;
  return octets === 4 ? header.getUint32(at, true) : Number(header.getBigUint64(at, true));
}

function checkWindow(octets: number): void {
  if (octets > MAX_WINDOW_OCTETS) throw new Error(`needs ${octets} octets of memory, more than ${MAX_WINDOW_OCTETS}`);
}
