import { PacketVector, VECTOR_LENGTH } from "../../../src/vector.ts";
import { LINKTYPE_IPV4, LINKTYPE_IPV6 } from "../../../src/wire/link-type.ts";
import { FAILED, type Libc, type Mapping } from "../../linux/libc.ts";
import { halvesOf, MessageHeaders, mapped } from "../../linux/message-headers.ts";
import { Readiness } from "../../linux/readiness.ts";
import {
  boundPort,
  familyOf,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  socketAddress,
} from "../../linux/socket-address.ts";
import {
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_REUSEADDR,
  SO_TIMESTAMPNS,
  SOL_SOCKET,
  SOL_UDP,
  UDP_NO_CHECK6_RX,
} from "../../linux/socket-options.ts";
import type { TakeVector } from "./arrivals.ts";
import { IPV4_UDP_OCTETS, writeUdpDelivery } from "./udp-delivery.ts";
import type { UdpAddress, UdpInput } from "./udp-input.ts";

/** Room before a datagram for the longest delivery header: one line of the cache, so that slots do not lie on the same ones. */
const HEADER_ROOM = 64;
/** Any datagram fits: UDP says its length in 16 bits. */
const DATAGRAM_OCTETS = 65_536;
const SLOT_OCTETS = HEADER_ROOM + DATAGRAM_OCTETS;
/**
 * While datagrams come, the socket is looked at after a pause instead of being waited for: the wake of a thread costs more
 * than that of a timer, and more datagrams come at once. The pause is a millisecond for each 1 MiB that the kernel queues,
 * which is room for some 900 of 1,500 octets.
 */
const OCTETS_OF_MS = 2 ** 20;
const MAX_PAUSE_MS = 4;
/** After so many looks in vain the socket is waited for. */
const QUIET_LOOKS = 3;

/** What is bound, and whether datagrams over IPv6 may be without a checksum. */
export type BatchedAddress = UdpAddress & { readonly zeroUdpChecksums?: boolean };

/**
 * A socket that recvmmsg(2) empties, a vector of datagrams at a time, into memory where the pipeline reads them: a slot
 * for each datagram, before which its delivery header is written. Packet time is when the kernel got it.
 */
export class BatchedDatagrams implements UdpInput {
  packets = 0;
  octets = 0;
  readonly port: number;
  private readonly libc: Libc;
  readonly fd: number;
  private readonly readiness: Readiness;
  private readonly deliveryPort: number;
  private readonly take: TakeVector;
  private readonly source: number;
  private readonly onError: (what: string) => void;
  private readonly memory: Mapping;
  private readonly headers: MessageHeaders;
  private readonly headersAddress: bigint;
  private readonly vector = new PacketVector();
  private pauseMs = 1;
  private looksInVain = 0;
  private lastError: string | null = null;
  private closed = false;
  private readonly look = (): void => {
    if (this.closed) return;
    const count = this.receive();
    this.looksInVain = count === 0 ? this.looksInVain + 1 : 0;
    if (count === VECTOR_LENGTH) setImmediate(this.look);
    else if (this.looksInVain < QUIET_LOOKS) setTimeout(this.look, this.pauseMs);
    else void this.readiness.readable(this.fd).then(this.look);
  };

  private constructor(
    libc: Libc,
    fd: number,
    readiness: Readiness,
    memory: Mapping,
    headers: MessageHeaders,
    deliveryPort: number,
    take: TakeVector,
    source: number,
    onError: (what: string) => void,
  ) {
    this.libc = libc;
    this.fd = fd;
    this.readiness = readiness;
    this.memory = memory;
    this.headers = headers;
    this.headersAddress = headers.address(0);
    this.deliveryPort = deliveryPort;
    this.take = take;
    this.source = source;
    this.onError = onError;
    this.port = boundPort(libc, fd);
    const base = halvesOf(memory.address);
    for (let i = 0; i < VECTOR_LENGTH; i++) {
      headers.askOrigin(i);
      headers.point(i, base, i * SLOT_OCTETS + HEADER_ROOM, DATAGRAM_OCTETS);
    }
    this.vector.use(new Uint8Array(memory.buffer));
    setImmediate(this.look);
  }

  /**
   * `deliveryPort` is the destination port that delivery headers have. Throws the error of the socket or the bind, or an
   * OperationalError when there is no memory.
   */
  static open(
    libc: Libc,
    address: BatchedAddress,
    deliveryPort: number,
    take: TakeVector,
    source: number,
    onError: (what: string) => void,
  ): BatchedDatagrams {
    const fd = bindUdp(libc, address);
    let memory: Mapping | null = null;
    try {
      const readiness = Readiness.shared(libc);
      memory = mapped(libc, VECTOR_LENGTH * SLOT_OCTETS);
      const headers = new MessageHeaders(libc, VECTOR_LENGTH);
      return new BatchedDatagrams(libc, fd, readiness, memory, headers, deliveryPort, take, source, onError);
    } catch (error) {
      if (memory !== null) libc.unmap(memory);
      libc.close(fd);
      throw error;
    }
  }

  setReceiveBuffer(octets: number): number {
    const value = Int32Array.of(octets);
    const buffer = new Uint8Array(value.buffer);
    // With CAP_NET_ADMIN net.core.rmem_max does not limit it.
    if (this.libc.setsockopt(this.fd, SOL_SOCKET, SO_RCVBUFFORCE, buffer, buffer.length) === FAILED) {
      this.libc.setsockopt(this.fd, SOL_SOCKET, SO_RCVBUF, buffer, buffer.length);
    }
    this.libc.getsockopt(this.fd, SOL_SOCKET, SO_RCVBUF, buffer, Uint32Array.of(buffer.length));
    // Linux doubles what it is asked for, to have room for its own bookkeeping, and says the double.
    const granted = Math.floor((value[0] ?? 0) / 2);
    this.pauseMs = Math.max(1, Math.min(MAX_PAUSE_MS, Math.floor(granted / OCTETS_OF_MS)));
    return granted;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.libc.close(this.fd);
    this.vector.use(new Uint8Array(0));
    this.libc.unmap(this.memory);
    this.headers.close();
  }

  /** Hands over the next batch; returns how many datagrams it had, or FAILED. */
  private receive(): number {
    const count = this.libc.recvmmsg(this.fd, this.headersAddress, VECTOR_LENGTH, 0);
    if (count === FAILED) return this.failed();
    this.lastError = null;
    this.hand(count);
    return count;
  }

  private hand(count: number): void {
    const { vector, headers, source, deliveryPort } = this;
    const { names, words } = headers;
    const { view } = vector;
    let octets = 0;
    for (let i = 0; i < count; i++) {
      const length = headers.length(i);
      const datagramAt = i * SLOT_OCTETS + HEADER_ROOM;
      const header = writeUdpDelivery(view, datagramAt, names, headers.nameAt(i), length, deliveryPort);
      const linkType = header === IPV4_UDP_OCTETS ? LINKTYPE_IPV4 : LINKTYPE_IPV6;
      const time = headers.timeWord(i);
      const atMicros = (words[time] ?? 0) * 1e6 + (words[time + 2] ?? 0) / 1000;
      vector.add(datagramAt - header, header + length, header + length, atMicros, linkType, source);
      octets += header + length;
    }
    this.packets += count;
    this.octets += octets;
    this.take(vector);
    vector.clear();
  }

  /** Nothing to read is no error; another is told once, until something was read again. */
  private failed(): number {
    const code = this.libc.errorName();
    if (code === "EAGAIN" || code === "EINTR") return 0;
    if (code !== this.lastError) this.onError(`recvmmsg ${code}`);
    this.lastError = code;
    return FAILED;
  }
}

/** A bound socket of the C library. Throws the error of the call that failed. */
function bindUdp(libc: Libc, { host, port, zeroUdpChecksums }: BatchedAddress): number {
  const address = socketAddress(libc, host, port);
  if (address === null) throw systemError("EADDRNOTAVAIL", "bind", host);
  const fd = libc.socket(familyOf(address), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd === FAILED) throw systemError(libc.errorName(), "socket", host);
  const on = new Uint8Array(Int32Array.of(1).buffer);
  libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, on, on.length);
  libc.setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, on, on.length);
  // Refused, it would have the kernel throw such copies away without a word.
  const takesAll = !zeroUdpChecksums || libc.setsockopt(fd, SOL_UDP, UDP_NO_CHECK6_RX, on, on.length) !== FAILED;
  if (!takesAll || libc.bind(fd, address, address.length) === FAILED) {
    const error = systemError(libc.errorName(), takesAll ? "bind" : "zeroUdpChecksums", host);
    libc.close(fd);
    throw error;
  }
  return fd;
}

function systemError(code: string, call: string, host: string): Error {
  return Object.assign(new Error(`${call} ${code} ${host}`), { code });
}
