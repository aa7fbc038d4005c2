import { constants } from "node:os";
import type { Encapsulation } from "../../schema/configuration/destination.ts";
import { PROTOCOL_GRE } from "../../src/wire/ipv4.ts";
import { FAILED, type Libc, type Mapping } from "../linux/libc.ts";
import { type Halves, halvesOf, MessageHeaders, mapped } from "../linux/message-headers.ts";
import { familyOf, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_RAW, socketAddress } from "../linux/socket-address.ts";
import { receiveNothing } from "../linux/socket-filter.ts";
import { SO_ERROR, SO_SNDBUF, SOL_SOCKET, SOL_UDP, UDP_SEGMENT } from "../linux/socket-options.ts";
import type { Target } from "./destination.ts";
import { ARENA_OCTETS, MAX_PLACES, SEND_BUFFER_OCTETS, type SendSocket } from "./transmitter.ts";

/** Level and name of the socket option that sets differentiated services (RFC 2474), the upper six bits of an octet. */
export const DSCP_OPTIONS = { 4: [0, 1], 6: [41, 67] } as const;
/**
 * The same of path MTU discovery (ip(7), ipv6(7)), and to set Don't Fragment always: by itself the kernel leaves it out of copies
 * that go together, and no router says then that they are too long.
 */
const MTU_DISCOVER_OPTIONS = { 4: [0, 10], 6: [41, 23] } as const;
const PMTUDISC_DO = 2;
/** Copies that the kernel has no room for are tried again after so long; its queue is longer than that at any rate. */
const RETRY_MS = 1;
/** Copies that go down the kernel's stack as one packet (UDP_MAX_SEGMENTS of Linux), and their octets, as UDP can say them. */
const MAX_JOINED = 64;
const MAX_JOINED_OCTETS = 65_000;

type Done = (error: string | null) => void;

/**
 * A socket that sends what has been gathered by sendmmsg(2), in order. Over UDP copies of one length that follow each other
 * go down the stack as one packet, which the card or the kernel cuts into their datagrams at the very end: that costs a
 * fraction of what each alone does. A way that cannot is found out by trying.
 */
class BatchedSocket implements SendSocket {
  readonly arena: Uint8Array;
  private readonly libc: Libc;
  private readonly fd: number;
  private readonly memory: Mapping;
  private readonly base: Halves;
  private readonly headers: MessageHeaders;
  /** Errors that are never of the copy at hand, but answer one sent earlier; and one of them that tells nothing, 0 for none. */
  private readonly answers: ReadonlySet<string>;
  private readonly untold: number;
  /** Who is told of each copy under way. A ring, as the headers are: `pending` of them from `first` on. */
  private readonly done: (Done | null)[] = Array<Done | null>(MAX_PLACES).fill(null);
  private first = 0;
  private pending = 0;
  /** Copies of each message of a call. */
  private readonly joined = new Uint8Array(MAX_PLACES);
  /** Longer copies are not joined; at first `mostJoined`. */
  private longestJoined: number;
  private readonly mostJoined: number;
  private errors = 0;
  private lengthErrors = 0;
  private later: NodeJS.Timeout | null = null;
  private closed = false;

  constructor(libc: Libc, fd: number, memory: Mapping, headers: MessageHeaders, isGre: boolean) {
    this.libc = libc;
    this.fd = fd;
    this.memory = memory;
    this.base = halvesOf(memory.address);
    this.headers = headers;
    // A host with GRE tunnels of its own answers "port unreachable" to all that is none of theirs, though a socket takes it.
    this.untold = isGre ? ECONNREFUSED : 0;
    this.answers = isGre ? GRE_ANSWERS : UDP_ANSWERS;
    // Only UDP is cut into datagrams, since Linux 4.18: a raw socket, and an older kernel, would make one packet of them.
    const canJoin = !isGre && libc.getsockopt(fd, SOL_UDP, UDP_SEGMENT, ANSWER, ANSWER_LENGTH) !== FAILED;
    this.mostJoined = canJoin ? MAX_JOINED_OCTETS : 0;
    this.longestJoined = this.mostJoined;
    this.arena = new Uint8Array(memory.buffer);
  }

  get refused(): number {
    this.takeError();
    return this.errors;
  }

  get tooLong(): number {
    this.takeError();
    return this.lengthErrors;
  }

  send(at: number, length: number, done: Done): void {
    const place = (this.first + this.pending++) % MAX_PLACES;
    this.headers.point(place, this.base, at, length);
    this.done[place] = done;
  }

  flush(): void {
    if (this.pending === 0) return;
    // The error of an earlier copy would be taken for one of the next.
    this.takeError();
    while (this.pending > 0) {
      const messages = this.join();
      const sent = this.libc.sendmmsg(this.fd, this.headers.address(0), messages, 0);
      if (sent !== FAILED) {
        for (let i = 0; i < sent; i++) this.finish(this.joined[i] ?? 0, null);
        continue;
      }
      const error = this.libc.errorName();
      if (error === "EINTR") continue;
      // It came in the midst of this call. Nothing of this copy was tried: the next call begins with it.
      if (this.answers.has(error)) {
        this.note(constants.errno[error as keyof typeof constants.errno]);
        continue;
      }
      if (error === "EAGAIN") {
        this.wait();
        return;
      }
      // It is the first one's: what stands behind an error is not sent, and what stands before it is counted first.
      const copies = this.joined[0] ?? 0;
      if (copies > 1 && this.parts(error)) continue;
      this.finish(copies, error);
    }
  }

  retry(): void {
    this.longestJoined = this.mostJoined;
  }

  /** Makes messages of the copies that are pending, up to the ring's end; returns how many. */
  private join(): number {
    const { headers, joined } = this;
    const end = Math.min(this.first + this.pending, MAX_PLACES);
    let messages = 0;
    for (let at = this.first; at < end; messages++) {
      const length = headers.pieceLength(at);
      const most = length > this.longestJoined ? 1 : Math.min(MAX_JOINED, Math.floor(MAX_JOINED_OCTETS / length));
      let count = 1;
      // A shorter one can only be the last, and one of nothing is none.
      for (let last = length; last === length && last > 0 && count < most && at + count < end; ) {
        last = headers.pieceLength(at + count);
        if (last > 0 && last <= length) count++;
      }
      headers.gather(messages, at, count, length);
      joined[messages] = count;
      at += count;
    }
    return messages;
  }

  /** Whether an error says that the first copies cannot go together: from now on such do not. */
  private parts(error: string): boolean {
    // What is longer than the path's MTU is cut at the IP layer, if at all: then alone.
    if (error === "EINVAL" || error === "EMSGSIZE") this.longestJoined = this.headers.pieceLength(this.first) - 1;
    else if (CANNOT_JOIN.has(error)) this.longestJoined = 0;
    else return false;
    return true;
  }

  close(): void {
    if (this.closed) return;
    this.takeError();
    this.closed = true;
    if (this.later !== null) clearTimeout(this.later);
    this.pending = 0;
    this.libc.close(this.fd);
    this.libc.unmap(this.memory);
    this.headers.close();
  }

  private finish(count: number, error: string | null): void {
    for (let n = 0; n < count; n++) {
      const place = this.first;
      this.first = (place + 1) % MAX_PLACES;
      this.pending--;
      this.done[place]?.(error);
    }
    // The same headers again and again stay in the cache.
    if (this.pending === 0) this.first = 0;
  }

  private wait(): void {
    this.later ??= setTimeout(() => {
      this.later = null;
      this.flush();
    }, RETRY_MS);
  }

  /** An error here answers a copy sent earlier, as that nobody takes it, or that it was too long for a router on the way. */
  private takeError(): void {
    if (this.closed) return;
    this.libc.getsockopt(this.fd, SOL_SOCKET, SO_ERROR, ANSWER, ANSWER_LENGTH);
    this.note(ANSWERED[0] ?? 0);
  }

  private note(error: number): void {
    if (error === EMSGSIZE) this.lengthErrors++;
    else if (error !== 0 && error !== this.untold) this.errors++;
  }
}

/** ICMP that a port or a protocol is unreachable, or that IPv6 does not know the next header. */
const UDP_ANSWERS: ReadonlySet<string> = new Set(["ECONNREFUSED"]);
const GRE_ANSWERS: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOPROTOOPT", "EPROTO"]);
/** A device whose card makes no checksums. */
const CANNOT_JOIN = new Set(["EIO", "ENOPROTOOPT", "EOPNOTSUPP"]);
const { EMSGSIZE, ECONNREFUSED } = constants.errno;
/** What getsockopt(2) answers. */
const ANSWERED = new Int32Array(1);
const ANSWER = new Uint8Array(ANSWERED.buffer);
const ANSWER_LENGTH = Uint32Array.of(4);

/**
 * A socket connected to the target that sends copies in batches: of UDP, or of IP protocol 47, which needs root or
 * CAP_NET_RAW. The kernel writes the delivery header, and sends in fragments what is too long only if `fragment` says so. It is
 * connected to be told of ICMP errors. Throws an Error with the name of the system's when it cannot be had or there is no way to
 * the target, and an OperationalError when there is no memory.
 */
export function openBatchedSocket(
  libc: Libc,
  target: Target,
  encapsulation: Encapsulation,
  dscp: number | null,
  fragment: boolean,
): SendSocket {
  const { port } = target;
  const address = socketAddress(libc, target.address, port ?? 0);
  if (address === null) throw new Error(`connect EINVAL ${target.address}`);
  const isGre = encapsulation === "gre";
  const type = (isGre ? SOCK_RAW : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = libc.socket(familyOf(address), type, isGre ? PROTOCOL_GRE : 0);
  if (fd === FAILED) throw new Error(`socket ${libc.errorName()}`);
  let memory: Mapping | null = null;
  try {
    // GRE that the collector's host sends to this one is not for the agent.
    if (isGre) receiveNothing(libc, fd);
    if (libc.connect(fd, address, address.length) === FAILED) {
      throw new Error(`connect ${libc.errorName()} ${target.address}${port === null ? "" : `:${port}`}`);
    }
    const set = ([level, name]: readonly [number, number], value: number): void => {
      if (libc.setsockopt(fd, level, name, new Uint8Array(Int32Array.of(value).buffer), 4) === FAILED) {
        throw new Error(`setsockopt ${libc.errorName()}`);
      }
    };
    if (dscp !== null) set(DSCP_OPTIONS[target.family], dscp << 2);
    if (!fragment) set(MTU_DISCOVER_OPTIONS[target.family], PMTUDISC_DO);
    libc.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, new Uint8Array(Int32Array.of(SEND_BUFFER_OCTETS).buffer), 4);
    memory = mapped(libc, ARENA_OCTETS);
    return new BatchedSocket(libc, fd, memory, new MessageHeaders(libc, MAX_PLACES), isGre);
  } catch (error) {
    if (memory !== null) libc.unmap(memory);
    libc.close(fd);
    throw error;
  }
}
