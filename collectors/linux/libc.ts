import { createRequire } from "node:module";
import { getSystemErrorName } from "node:util";
import { OperationalError } from "../runtime/errors.ts";

/** What C functions of this shape return for failure. */
export const FAILED = -1;
const MAP_FAILED = 2n ** 64n - 1n;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE_ANONYMOUS = 0x22;

/** Events of poll(2). */
export const POLLIN = 1;
export const POLLERR = 8;
/** Octets of a `struct pollfd`: descriptor, events asked for, events returned. */
export const POLLFD_OCTETS = 8;

/** Memory outside the JavaScript heap: it never moves, and it is gone after `unmap`. */
export interface Mapping {
  readonly address: bigint;
  readonly buffer: ArrayBuffer;
}

/** The functions of the C library that is called here. Descriptors and results as in their man pages. */
export interface Libc {
  /** Octets of a pointer, and so of the structures that have some: 8 or 4. */
  readonly pointerOctets: number;
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  connect(fd: number, address: Uint8Array, length: number): number;
  getsockname(fd: number, address: Uint8Array, length: Uint32Array): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: Uint32Array): number;
  close(fd: number): number;
  /** prctl(2) with one argument. */
  prctl(option: number, argument: number): number;
  /** Sets the calling thread's capabilities: `struct __user_cap_header_struct` and two of `__user_cap_data_struct`. */
  capset(header: Uint8Array, data: Uint8Array): number;
  /** `argument` is the structure that the request is about. */
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  /** Reads at most `length` octets to an address of a mapping. */
  read(fd: number, address: bigint, length: number): number;
  /** Number of an interface, 0 when there is none of the name. */
  interfaceIndex(name: string): number;
  /** Maps a descriptor's ring, or anonymous memory where `fd` is null. Null on failure. */
  map(fd: number | null, length: number): Mapping | null;
  unmap(mapping: Mapping): void;
  /** Waits on a thread of its own until a `struct pollfd` of the mapping is ready or the time is over. */
  poll(fds: Mapping, count: number, timeoutMs: number): Promise<void>;
  epollCreate(flags: number): number;
  epollControl(epoll: number, operation: number, fd: number, event: Uint8Array): number;
  /** Waits on a thread of its own until a descriptor is ready or the time is over; `events` is room for one event. */
  epollWait(epoll: number, events: Mapping, timeoutMs: number): Promise<void>;
  /** Receives into the `count` message headers from `address` on; the headers, and what they point to, do not move. */
  recvmmsg(fd: number, address: bigint, count: number, flags: number): number;
  sendmmsg(fd: number, address: bigint, count: number, flags: number): number;
  /** Name of the error the last call failed with, such as EPERM. */
  errorName(): string;
}

/**
 * What is used of package koffi. Its own types are missing where the package is, and the build must not fail there.
 * `Call` is the prototype in TypeScript.
 */
interface Koffi {
  load(path: null): { func<Call>(prototype: string): Call };
  view(address: bigint, length: number): ArrayBuffer;
  sizeof(type: string): number;
  errno(): number;
}

type Mmap = (address: null, length: number, protection: number, flags: number, fd: number, offset: number) => bigint;
type Munmap = (address: bigint, length: number) => number;
type Prctl = (option: number, ...argument: readonly [number, number, number, number]) => number;
type Poll = { async(fds: bigint, count: number, timeoutMs: number, done: () => void): void };
type EpollWait = { async(epoll: number, events: bigint, count: number, timeoutMs: number, done: () => void): void };
type Recvmmsg = (fd: number, address: bigint, count: number, flags: number, timeout: null) => number;

let loaded: Promise<Libc> | null = null;

/**
 * The C library through package koffi, loaded at the first call. Rejects with an OperationalError of code `no-koffi`
 * where koffi is not installed or does not know this system.
 */
export function loadLibc(): Promise<Libc> {
  loaded ??= bindLibc();
  return loaded;
}

async function bindLibc(): Promise<Libc> {
  if (process.platform !== "linux") throw unavailable(`this is ${process.platform}, not Linux`, undefined);
  try {
    const koffi = createRequire(import.meta.url)("koffi") as Koffi;
    const library = koffi.load(null);
    const mmap = library.func<Mmap>(
      "void *mmap(void *address, size_t length, int prot, int flags, int fd, int64_t offset)",
    );
    const munmap = library.func<Munmap>("int munmap(void *address, size_t length)");
    const prctl = library.func<Prctl>("int prctl(int option, ulong a, ulong b, ulong c, ulong d)");
    const poll = library.func<Poll>("int poll(void *fds, ulong count, int timeout)");
    const epollWait = library.func<EpollWait>("int epoll_wait(int epoll, void *events, int count, int timeout)");
    const recvmmsg = library.func<Recvmmsg>(
      "int recvmmsg(int fd, void *messages, uint count, int flags, void *timeout)",
    );
    return {
      pointerOctets: koffi.sizeof("void *"),
      socket: library.func("int socket(int domain, int type, int protocol)"),
      bind: library.func("int bind(int fd, void *address, uint length)"),
      connect: library.func("int connect(int fd, void *address, uint length)"),
      getsockname: library.func("int getsockname(int fd, void *address, void *length)"),
      setsockopt: library.func("int setsockopt(int fd, int level, int name, void *value, uint length)"),
      getsockopt: library.func("int getsockopt(int fd, int level, int name, void *value, void *length)"),
      close: library.func("int close(int fd)"),
      prctl: (option, argument) => prctl(option, argument, 0, 0, 0),
      capset: library.func("int capset(void *header, void *data)"),
      ioctl: library.func("int ioctl(int fd, ulong request, void *argument)"),
      read: library.func("long read(int fd, void *octets, size_t length)"),
      interfaceIndex: library.func("uint if_nametoindex(str name)"),
      map(fd, length) {
        const flags = fd === null ? MAP_PRIVATE_ANONYMOUS : MAP_SHARED;
        const address = mmap(null, length, PROT_READ_WRITE, flags, fd ?? -1, 0);
        return address === MAP_FAILED ? null : { address, buffer: koffi.view(address, length) };
      },
      unmap(mapping) {
        munmap(mapping.address, mapping.buffer.byteLength);
      },
      poll: (fds, count, timeoutMs) =>
        // A failed poll (EINTR) is a wait that ended early: the caller looks at its rings either way.
        new Promise((resolve) => poll.async(fds.address, count, timeoutMs, () => resolve())),
      epollCreate: library.func("int epoll_create1(int flags)"),
      epollControl: library.func("int epoll_ctl(int epoll, int operation, int fd, void *event)"),
      epollWait: (epoll, events, timeoutMs) =>
        new Promise((resolve) => epollWait.async(epoll, events.address, 1, timeoutMs, () => resolve())),
      recvmmsg: (fd, address, count, flags) => recvmmsg(fd, address, count, flags, null),
      sendmmsg: library.func("int sendmmsg(int fd, void *messages, uint count, int flags)"),
      errorName: () => getSystemErrorName(-koffi.errno()),
    };
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "MODULE_NOT_FOUND";
    throw unavailable(
      missing ? "it is not installed; `npm install` brings it" : String(cause).split("\n", 1).join(),
      cause,
    );
  }
}

function unavailable(reason: string, cause: unknown): OperationalError {
  return new OperationalError("no-koffi", `package koffi cannot be used (${reason})`, { cause });
}
