import { OperationalError } from "../runtime/errors.ts";
import { FAILED, type Libc, type Mapping } from "./libc.ts";

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_MOD = 3;
/** Readable, told once until it is asked for again. */
const EPOLLIN_ONCE = 1 | (1 << 30);
/** A `struct epoll_event` has 12 octets or 16, by the machine; the events asked for stand first. */
const EVENT_OCTETS = 16;
/** Longest wait, and so the longest time that a process which wants to end waits for its thread. */
const WAIT_MS = 100;

let shared: Readiness | null = null;

/**
 * Tells when sockets can be read, by one thread for all of them: Node has four for files, names and whatever else waits.
 * A socket may be added while the thread waits already (epoll(7)), and is forgotten when it is closed.
 */
export class Readiness {
  private readonly libc: Libc;
  private readonly epoll: number;
  private readonly returned: Mapping;
  private waiting: (() => void)[] = [];
  private running = false;
  private readonly event = new Uint8Array(EVENT_OCTETS);

  private constructor(libc: Libc, epoll: number, returned: Mapping) {
    this.libc = libc;
    this.epoll = epoll;
    this.returned = returned;
    new Uint32Array(this.event.buffer)[0] = EPOLLIN_ONCE;
  }

  /** The one of this process, made at the first call. Throws an OperationalError when it cannot be had. */
  static shared(libc: Libc): Readiness {
    shared ??= Readiness.open(libc);
    return shared;
  }

  /** One of its own. Throws as `shared` does. */
  static open(libc: Libc): Readiness {
    const epoll = libc.epollCreate(EPOLL_CLOEXEC);
    const returned = epoll === FAILED ? null : libc.map(null, EVENT_OCTETS);
    if (returned !== null) return new Readiness(libc, epoll, returned);
    const code = libc.errorName();
    if (epoll !== FAILED) libc.close(epoll);
    throw new OperationalError("epoll", `sockets cannot be waited for (${code}); see ulimit -n and free memory`);
  }

  /** Resolves when the socket can be read, and at times before: when another can be, or nothing came for a while. */
  readable(fd: number): Promise<void> {
    const { libc, epoll, event } = this;
    if (libc.epollControl(epoll, EPOLL_CTL_MOD, fd, event) === FAILED) {
      libc.epollControl(epoll, EPOLL_CTL_ADD, fd, event);
    }
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      if (!this.running) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.running = true;
    await this.libc.epollWait(this.epoll, this.returned, WAIT_MS);
    this.running = false;
    const waited = this.waiting;
    this.waiting = [];
    for (const resolve of waited) resolve();
  }
}
