import { endianness } from "node:os";
import { OFFLOAD_CHECKSUM, OFFLOAD_DATAGRAMS, type PacketVector } from "../../src/vector.ts";
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from "../../src/wire/link-type.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { CapturePoint, Direction, FilterSource, TakeVector } from "./capture.ts";
import { FEWER_BITS } from "./flow-filter.ts";
import { FAILED, type Libc, type Mapping } from "./libc.ts";
import { SOCK_CLOEXEC, SOCK_DGRAM, SOCK_RAW } from "./socket-address.ts";
import { attachFilter } from "./socket-filter.ts";
import { SO_ERROR, SOL_SOCKET } from "./socket-options.ts";

const AF_PACKET = 17;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_RX_RING = 5;
const PACKET_STATISTICS = 6;
const PACKET_VERSION = 10;
const PACKET_VNET_HDR = 15;
const PACKET_IGNORE_OUTGOING = 23;
const PACKET_MR_PROMISC = 1;
const TPACKET_V3 = 2;
const ETH_P_ALL = 0x0003;

/** `struct sockaddr_ll`: octets, and where the hardware type stands. */
const ADDRESS_OCTETS = 20;
const ADDRESS_HATYPE = 8;
const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;

/** A ring is blocks of 256 KiB: one holds the longest packet that segmentation offload makes. Views stay below 2^31 octets. */
const BLOCK_OCTETS = 262_144;
const MIN_BLOCKS = 4;
const MAX_BLOCKS = 4096;
/** Octets of a ring of which nobody said how large it is. */
const RING_OCTETS = 64 * BLOCK_OCTETS;
const FRAME_OCTETS = 2048;
/** A block that is not full is handed over after so long, and so a filter learns of a new flow. */
export const RETIRE_MS = 4;

/** `struct tpacket_block_desc`, in 32-bit words. */
const BLOCK_STATUS = 2;
const BLOCK_PACKETS = 3;
const BLOCK_FIRST = 4;
const STATUS_KERNEL = 0;
const STATUS_USER = 1;
/** `struct tpacket3_hdr`, in 32-bit words; the offset of the link-layer header is the lower half of the last. */
const PACKET_NEXT = 0;
const PACKET_SECONDS = 1;
const PACKET_NANOSECONDS = 2;
const PACKET_CAPTURED = 3;
const PACKET_WIRE = 4;
const PACKET_STATUS = 5;
const PACKET_MAC = 6;
/**
 * `struct virtio_net_hdr`, which stands before the link-layer header: flags, the type of a super-packet, and its segment
 * size.
 */
const OFFLOAD_OCTETS = 10;
const OFFLOAD_TYPE = 1;
const OFFLOAD_SEGMENT = 4;
/** VIRTIO_NET_HDR_GSO_UDP_L4, and the bit beside the type that it says nothing of. */
const TYPE_DATAGRAMS = 5;
const TYPE_ECN = 0x80;
const NEEDS_CHECKSUM = 1;
const IS_LITTLE_ENDIAN = endianness() === "LE";

/** What a ring takes, and how much of it at a time. */
export interface RingOptions {
  readonly direction: Direction;
  readonly promiscuous: boolean;
  /** Octets of kernel memory, at least 1 MiB and at most 1 GiB; 16 MiB unless said otherwise. */
  readonly octets?: number;
  /** A block that is not full is handed over after so long; RETIRE_MS unless said otherwise. */
  readonly retireMs?: number;
  /** What the kernel lets pass; null for all. */
  readonly filter: FilterSource | null;
}

/**
 * A TPACKET_V3 receive ring (packet(7), Documentation/networking/packet_mmap.rst) on one interface. The kernel fills
 * blocks, `drain` walks those it has handed over and gives them back; packets are read where the kernel put them.
 */
export class PacketRing {
  readonly fd: number;
  /** The interface's number when the ring was opened; a re-created interface has another. */
  readonly interfaceIndex: number;
  private readonly libc: Libc;
  private readonly mapping: Mapping;
  private readonly octets: Uint8Array<ArrayBuffer>;
  private readonly words: Uint32Array;
  private readonly view: DataView;
  private readonly linkType: number;
  private readonly source: number;
  private readonly filter: FilterSource | null;
  /** Place in FEWER_BITS: what the kernel had room for. */
  private fewer = 0;
  /** How many blocks the ring has. */
  readonly blocks: number;
  private next = 0;
  private dropped = 0;
  private closed = false;

  /** Throws an OperationalError for an unknown interface, missing privilege, or memory that cannot be had. */
  constructor(libc: Libc, point: CapturePoint, options: RingOptions) {
    this.libc = libc;
    this.filter = options.filter;
    this.source = point.source;
    this.blocks = Math.min(MAX_BLOCKS, Math.max(MIN_BLOCKS, Math.ceil((options.octets ?? RING_OCTETS) / BLOCK_OCTETS)));
    this.interfaceIndex = libc.interfaceIndex(point.name);
    if (this.interfaceIndex === 0) {
      throw new OperationalError(
        "no-interface",
        `there is no interface ${point.name}; \`ip link\` lists those there are`,
      );
    }
    const { fd, hardware } = bindSocket(libc, point.name, this.interfaceIndex);
    this.fd = fd;
    // What does not begin with Ethernet is asked for without its link-layer header, and begins with IP.
    const ethernet = hardware === ARPHRD_ETHER || hardware === ARPHRD_LOOPBACK;
    this.linkType = ethernet ? LINKTYPE_ETHERNET : LINKTYPE_RAW;
    let mapping: Mapping | null = null;
    try {
      // The loopback device shows each packet twice, leaving and arriving.
      if (options.direction === "in" || hardware === ARPHRD_LOOPBACK) this.set(PACKET_IGNORE_OUTGOING, [1], point.name);
      if (options.promiscuous)
        this.set(PACKET_ADD_MEMBERSHIP, [this.interfaceIndex, PACKET_MR_PROMISC, 0, 0], point.name);
      this.set(PACKET_VERSION, [TPACKET_V3], point.name);
      if (ethernet) this.set(PACKET_VNET_HDR, [1], point.name);
      const frames = (BLOCK_OCTETS / FRAME_OCTETS) * this.blocks;
      const retireMs = options.retireMs ?? RETIRE_MS;
      this.set(PACKET_RX_RING, [BLOCK_OCTETS, this.blocks, FRAME_OCTETS, frames, retireMs, 0, 0], point.name);
      mapping = libc.map(fd, BLOCK_OCTETS * this.blocks);
      if (mapping === null) throw failure(libc, point.name, "its ring could not be mapped");
      this.mapping = mapping;
      const error = this.renewFilter();
      if (error !== null) throw failure(libc, point.name, "its filter could not be attached", error);
      // Packets only begin to come now that there is a ring to put them in.
      attach(libc, fd, point.name, this.interfaceIndex);
    } catch (error) {
      if (mapping !== null) libc.unmap(mapping);
      libc.close(fd);
      throw error;
    }
    this.octets = new Uint8Array(this.mapping.buffer);
    this.words = new Uint32Array(this.mapping.buffer);
    this.view = new DataView(this.mapping.buffer);
  }

  /**
   * Makes and attaches the filter again, of fewer buckets where the kernel has no room for more. Returns null, or the name
   * of the error, with which the filter before stays.
   */
  renewFilter(): string | null {
    if (this.filter === null || this.closed) return null;
    const link = this.linkType === LINKTYPE_ETHERNET ? "ethernet" : "ip";
    let error: string | null = "E2BIG";
    for (; this.fewer < FEWER_BITS.length; this.fewer++) {
      const program = this.filter(link, FEWER_BITS[this.fewer] ?? 0);
      error = program === null ? "E2BIG" : attachFilter(this.libc, this.fd, program);
      if (error !== "ENOMEM" && error !== "E2BIG") return error;
    }
    this.fewer = FEWER_BITS.length - 1;
    return error;
  }

  /** Hands over the packets of the next block and gives the block back; false when the kernel has not filled it yet. */
  drain(vector: PacketVector, take: TakeVector): boolean {
    if (this.closed) return false;
    const block = this.next * BLOCK_OCTETS;
    const status = block / 4 + BLOCK_STATUS;
    if ((Atomics.load(this.words, status) & STATUS_USER) === 0) return false;
    vector.use(this.octets);
    this.walk(vector, take, block);
    Atomics.store(this.words, status, STATUS_KERNEL);
    this.next = (this.next + 1) % this.blocks;
    return true;
  }

  /** Packets the ring had no room for, since it was opened. */
  lost(): number {
    if (this.closed) return this.dropped;
    // struct tpacket_stats_v3: packets, drops, times the queue froze; reading sets them back to 0.
    const statistics = new Uint32Array(3);
    const octets = new Uint8Array(statistics.buffer);
    this.libc.getsockopt(this.fd, SOL_PACKET, PACKET_STATISTICS, octets, Uint32Array.of(12));
    this.dropped += statistics[1] ?? 0;
    return this.dropped;
  }

  /** Takes the error off the socket that made `poll` return at once, such as that of an interface that went down. */
  clearError(): void {
    this.libc.getsockopt(this.fd, SOL_SOCKET, SO_ERROR, new Uint8Array(4), Uint32Array.of(4));
  }

  /** Closes and unmaps the ring. The octets are gone: `drain` hands over nothing afterwards. */
  close(): void {
    if (this.closed) return;
    this.lost();
    this.closed = true;
    this.libc.unmap(this.mapping);
    this.libc.close(this.fd);
  }

  private walk(vector: PacketVector, take: TakeVector, block: number): void {
    const { words, linkType, source } = this;
    const packets = words[block / 4 + BLOCK_PACKETS] ?? 0;
    let at = block + (words[block / 4 + BLOCK_FIRST] ?? 0);
    for (let k = 0; k < packets; k++) {
      const word = at / 4;
      at += words[word + PACKET_NEXT] ?? 0;
      // A packet that the kernel could not tell, and counts as lost, leaves a place with what stood there before.
      if (((words[word + PACKET_STATUS] ?? 0) & STATUS_USER) === 0) continue;
      const begin = word * 4;
      const atMicros = (words[word + PACKET_SECONDS] ?? 0) * 1e6 + (words[word + PACKET_NANOSECONDS] ?? 0) / 1000;
      const mac = (words[word + PACKET_MAC] ?? 0) & 0xffff;
      vector.add(
        begin + mac,
        words[word + PACKET_CAPTURED] ?? 0,
        words[word + PACKET_WIRE] ?? 0,
        atMicros,
        linkType,
        source,
      );
      if (linkType === LINKTYPE_ETHERNET) this.noteOffload(vector, begin + mac - OFFLOAD_OCTETS);
      if (vector.full) {
        take(vector);
        vector.clear();
      }
    }
    if (vector.length > 0) {
      take(vector);
      vector.clear();
    }
  }

  private noteOffload(vector: PacketVector, at: number): void {
    const unfinished = (this.view.getUint8(at) & NEEDS_CHECKSUM) !== 0 ? OFFLOAD_CHECKSUM : 0;
    const isDatagrams = (this.view.getUint8(at + OFFLOAD_TYPE) & ~TYPE_ECN) === TYPE_DATAGRAMS;
    const kind = unfinished | (isDatagrams ? OFFLOAD_DATAGRAMS : 0);
    vector.offload[vector.length - 1] = kind | this.view.getUint16(at + OFFLOAD_SEGMENT, IS_LITTLE_ENDIAN);
  }

  private set(option: number, words: readonly number[], name: string): void {
    const value = new Uint8Array(Uint32Array.from(words).buffer);
    if (this.libc.setsockopt(this.fd, SOL_PACKET, option, value, value.length) === FAILED) {
      throw failure(this.libc, name, "its packet ring could not be set up");
    }
  }
}

/** A packet socket bound to the interface that receives nothing yet, of the type that suits the interface's hardware. */
function bindSocket(libc: Libc, name: string, index: number): { fd: number; hardware: number } {
  for (const type of [SOCK_RAW, SOCK_DGRAM]) {
    const fd = libc.socket(AF_PACKET, type | SOCK_CLOEXEC, 0);
    if (fd === FAILED) throw failure(libc, name, "no packet socket");
    const address = linkAddress(index, 0);
    if (libc.bind(fd, address, ADDRESS_OCTETS) === FAILED) {
      const error = failure(libc, name, "the packet socket could not be bound");
      libc.close(fd);
      throw error;
    }
    libc.getsockname(fd, address, Uint32Array.of(ADDRESS_OCTETS));
    const hardware = new Uint16Array(address.buffer)[ADDRESS_HATYPE / 2] ?? 0;
    if (type === SOCK_DGRAM || hardware === ARPHRD_ETHER || hardware === ARPHRD_LOOPBACK) return { fd, hardware };
    libc.close(fd);
  }
  throw new Error("unreachable: the second type is always returned");
}

/** Begins to receive packets of every protocol. */
function attach(libc: Libc, fd: number, name: string, index: number): void {
  if (libc.bind(fd, linkAddress(index, ETH_P_ALL), ADDRESS_OCTETS) === FAILED) {
    throw failure(libc, name, "the packet socket could not be bound");
  }
}

/** A `struct sockaddr_ll`: family and index in the host's byte order, protocol in the network's. */
function linkAddress(index: number, protocol: number): Uint8Array {
  const address = new Uint8Array(ADDRESS_OCTETS);
  new Uint16Array(address.buffer)[0] = AF_PACKET;
  address[2] = protocol >> 8;
  address[3] = protocol & 0xff;
  new Int32Array(address.buffer)[1] = index;
  return address;
}

function failure(libc: Libc, name: string, what: string, code = libc.errorName()): OperationalError {
  const forbidden = code === "EPERM" || code === "EACCES";
  const advice = forbidden
    ? "; capturing needs root or the capability CAP_NET_RAW"
    : code === "ENOMEM" || code === "ENOBUFS"
      ? "; there is not enough kernel memory for it"
      : "";
  const message = `cannot capture on ${name}: ${what} (${code})${advice}`;
  return new OperationalError(forbidden ? "privilege" : "capture", message);
}
