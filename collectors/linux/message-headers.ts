import { endianness } from "node:os";
import { OperationalError } from "../runtime/errors.ts";
import type { Libc, loadLibc, Mapping } from "./libc.ts";
import { SOCKADDR_OCTETS } from "./socket-address.ts";
import { SOL_UDP, UDP_SEGMENT } from "./socket-options.ts";

/**
 * `struct mmsghdr` where a pointer has 8 octets: address of a name and its length, address of the one `struct iovec` and
 * how many there are, control data, flags; then the octets that were received or sent. In 64-bit and 32-bit words.
 */
const HEADER_OCTETS = 64;
const HEADER_LONGS = HEADER_OCTETS / 8;
const HEADER_WORDS = HEADER_OCTETS / 4;
const NAME_LONG = 0;
const NAME_LENGTH_WORD = 2;
const VECTOR_LONG = 2;
const VECTORS_LONG = 3;
const CONTROL_LONG = 4;
const CONTROL_LENGTH_WORD = 10;
const LENGTH_WORD = 14;
/** `struct iovec`: address and length. */
const VECTOR_OCTETS = 16;
const VECTOR_WORDS = VECTOR_OCTETS / 4;
/** Room for a name, SOCKADDR_OCTETS at most. */
const NAME_OCTETS = 32;
/** Room for control data: a `struct cmsghdr`, and a `struct timespec` of seconds and nanoseconds or 16 bits of a length. */
const CONTROL_OCTETS = 32;
const TIME_WORD = 4;
const SEGMENT_WORD = 4;
/** `struct cmsghdr`, 64 bits of its length, then level and type, and here two octets; what it takes, aligned. */
const SEGMENT_CONTROL_OCTETS = 18;
const SEGMENT_CONTROL_SPACE = 24;
/** Which of two 32-bit words is the lower half of a 64-bit one. */
const LOW = endianness() === "LE" ? 0 : 1;

/**
 * The message headers that recvmmsg(2) and sendmmsg(2) take, in memory that does not move. Header i receives or sends one
 * datagram, which is piece i, and has room for the address it came from; `gather` lets it send several.
 */
export class MessageHeaders {
  /** The addresses that datagrams came from, `struct sockaddr_in` or `sockaddr_in6`; `nameAt(i)` is where one begins. */
  readonly names: DataView;
  private readonly libc: Libc;
  private readonly mapping: Mapping;
  /** All of it in words, for reading times. */
  readonly words: Uint32Array;
  private readonly longs: BigUint64Array;
  private readonly base: Halves;
  private readonly vectorsAt: number;
  private readonly namesAt: number;
  private readonly controlAt: number;

  /** Throws an OperationalError when there is no memory. */
  constructor(libc: Libc, count: number) {
    this.libc = libc;
    this.vectorsAt = count * HEADER_OCTETS;
    this.namesAt = this.vectorsAt + count * VECTOR_OCTETS;
    this.controlAt = this.namesAt + count * NAME_OCTETS;
    this.mapping = mapped(libc, this.controlAt + count * CONTROL_OCTETS);
    const { address, buffer } = this.mapping;
    this.base = halvesOf(address);
    this.names = new DataView(buffer);
    this.longs = new BigUint64Array(buffer);
    this.words = new Uint32Array(buffer);
    for (let i = 0; i < count; i++) {
      this.longs[i * HEADER_LONGS + VECTOR_LONG] = address + BigInt(this.vectorsAt + i * VECTOR_OCTETS);
      this.longs[i * HEADER_LONGS + VECTORS_LONG] = 1n;
    }
  }

  /** Where the header of datagram i begins, for the C library. */
  address(i: number): bigint {
    return this.mapping.address + BigInt(i * HEADER_OCTETS);
  }

  /** Has the address that datagram i comes from written to `names`, and the time it came at, which the socket must ask for. */
  askOrigin(i: number): void {
    this.longs[i * HEADER_LONGS + NAME_LONG] = this.mapping.address + BigInt(this.nameAt(i));
    this.words[i * HEADER_WORDS + NAME_LENGTH_WORD] = SOCKADDR_OCTETS;
    this.longs[i * HEADER_LONGS + CONTROL_LONG] = this.mapping.address + BigInt(this.controlAt + i * CONTROL_OCTETS);
    this.words[i * HEADER_WORDS + CONTROL_LENGTH_WORD + LOW] = CONTROL_OCTETS;
  }

  nameAt(i: number): number {
    return this.namesAt + i * NAME_OCTETS;
  }

  /** Which of `words` is the second that datagram i came at; the nanoseconds stand two words behind it. */
  timeWord(i: number): number {
    return (this.controlAt + i * CONTROL_OCTETS) / 4 + TIME_WORD + LOW;
  }

  /** Lets piece i be the `length` octets at `base + at`; `base` comes in two halves, so that nothing is allocated. */
  point(i: number, base: Halves, at: number, length: number): void {
    const word = this.vectorsAt / 4 + i * VECTOR_WORDS;
    this.setAddress(word, base, at);
    this.words[word + 2 + LOW] = length;
  }

  /**
   * Lets header i send the `count` pieces from `piece` on, which are all of `length` octets, but for the last, which may have
   * fewer: each as a datagram of its own that the kernel, or the network card, cuts off as late as it can (udp(7),
   * UDP_SEGMENT).
   */
  gather(i: number, piece: number, count: number, length: number): void {
    const { words } = this;
    const header = i * HEADER_WORDS;
    this.setAddress(header + 2 * VECTOR_LONG, this.base, this.vectorsAt + piece * VECTOR_OCTETS);
    words[header + 2 * VECTORS_LONG + LOW] = count;
    words[header + CONTROL_LENGTH_WORD + LOW] = count > 1 ? SEGMENT_CONTROL_SPACE : 0;
    if (count === 1) return;
    const controlAt = this.controlAt + i * CONTROL_OCTETS;
    this.setAddress(header + 2 * CONTROL_LONG, this.base, controlAt);
    const control = controlAt / 4;
    words[control + LOW] = SEGMENT_CONTROL_OCTETS;
    words[control + 2] = SOL_UDP;
    words[control + 3] = UDP_SEGMENT;
    this.names.setUint16((control + SEGMENT_WORD) * 4, length, LOW === 0);
  }

  /** Octets of piece i. */
  pieceLength(i: number): number {
    return this.words[this.vectorsAt / 4 + i * VECTOR_WORDS + 2 + LOW] ?? 0;
  }

  private setAddress(word: number, base: Halves, at: number): void {
    const low = base.low + at;
    this.words[word + LOW] = low;
    this.words[word + 1 - LOW] = base.high + (low > 0xffffffff ? 1 : 0);
  }

  /** Octets of datagram i that were received or sent. */
  length(i: number): number {
    return this.words[i * HEADER_WORDS + LENGTH_WORD] ?? 0;
  }

  /** Gives the memory back; nothing is to be called afterwards. */
  close(): void {
    this.libc.unmap(this.mapping);
  }
}

/** An address in two halves of 32 bits. */
export interface Halves {
  readonly low: number;
  readonly high: number;
}

/** The halves of an address. */
export function halvesOf(address: bigint): Halves {
  return { low: Number(address & 0xffffffffn), high: Number(address >> 32n) };
}

/** Memory of so many octets. Throws an OperationalError when there is none. */
export function mapped(libc: Libc, octets: number): Mapping {
  const mapping = libc.map(null, octets);
  if (mapping !== null) return mapping;
  throw new OperationalError("memory", `no memory for datagrams: ${octets} octets are needed (${libc.errorName()})`);
}

/**
 * The C library for datagrams in batches. Where `load` has none, `warn` is told one line, which says what is done
 * `instead`, and null returned.
 */
export async function libcForBatches(
  load: typeof loadLibc,
  warn: (line: string) => void,
  instead: string,
): Promise<Libc | null> {
  try {
    const libc = await load();
    if (libc.pointerOctets === 8) return libc;
    warn(`this is no 64-bit system; ${instead}`);
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    warn(`${error.message}; ${instead}`);
  }
  return null;
}
