import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { PacketVector, VECTOR_LENGTH } from "../../src/vector.ts";
import { LINKTYPE_ETHERNET } from "../../src/wire/link-type.ts";
import { nowMicros } from "../runtime/clock.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { Capture, TakeVector } from "./capture.ts";
import { FAILED, type Libc, type Mapping, POLLFD_OCTETS, POLLIN } from "./libc.ts";

const TUN_DEVICE = "/dev/net/tun";
/** `_IOW('T', 202, int)`, which a few architectures count otherwise. */
const TUNSETIFF = /^(ppc|mips)/.test(process.arch) ? 0x800454ca : 0x400454ca;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
/** `struct ifreq`: the name, then the flags. */
const IFREQ_OCTETS = 40;
const IFREQ_FLAGS = 16;

/** Longer than any frame that a TAP is handed: 65,535 octets behind Ethernet and VLAN headers. */
const FRAME_OCTETS = 65_600;
/** Longest wait for packets, and so the longest time until `stop` is seen and the device is looked after. */
const WAIT_MS = 250;
/** A device that cannot be made is tried again after so long. */
const RETRY_MS = 1000;

/**
 * Captures what the kernel sends to a TAP of its own (Documentation/networking/tuntap.rst): there it has cut super-packets
 * into segments and finished their checksums. The device goes with the process; one that is deleted under it is made anew,
 * by the same descriptor, for which CAP_NET_ADMIN is enough.
 */
export class TapCapture implements Capture {
  readonly kind = "tap";
  private readonly libc: Libc;
  private readonly name: string;
  private readonly turn: () => Promise<unknown>;
  private readonly onDevice: (event: "gone" | "back") => void;
  private readonly frames: Mapping;
  private readonly pollfd: Mapping;
  private readonly fd: number;
  /** The device's number; 0 while there is none. */
  private interfaceIndex: number;
  private dropped = 0;
  private droppedBefore = 0;
  private retryAtMs = 0;
  private stopping = false;

  /**
   * Makes the TAP. `turn` is the event loop's turn between two vectors; `onDevice` is told when it is gone and when there
   * is another. Throws an OperationalError where the name is taken, or the privilege or the kernel's TUN module is missing.
   */
  constructor(libc: Libc, name: string, turn: () => Promise<unknown>, onDevice: (event: "gone" | "back") => void) {
    this.libc = libc;
    this.name = name;
    this.turn = turn;
    this.onDevice = onDevice;
    this.fd = openTun();
    try {
      this.interfaceIndex = attach(libc, this.fd, name);
    } catch (error) {
      closeSync(this.fd);
      throw error;
    }
    const frames = libc.map(null, FRAME_OCTETS * VECTOR_LENGTH);
    const pollfd = libc.map(null, POLLFD_OCTETS);
    if (frames === null || pollfd === null) {
      closeSync(this.fd);
      throw new OperationalError("capture", `no memory for the packets of ${name}`);
    }
    this.frames = frames;
    this.pollfd = pollfd;
  }

  async run(take: TakeVector): Promise<void> {
    const vector = new PacketVector();
    const octets = new Uint8Array(this.frames.buffer);
    try {
      while (!this.stopping) {
        if (this.read(vector, octets, take)) await this.turn();
        else await this.wait();
      }
      while (this.read(vector, octets, take));
    } finally {
      vector.use(new Uint8Array(0));
      this.lost();
      this.interfaceIndex = 0;
      closeSync(this.fd);
      this.libc.unmap(this.frames);
      this.libc.unmap(this.pollfd);
    }
  }

  stop(): void {
    this.stopping = true;
  }

  renewFilter(): null {
    // The rules that copy to the TAP are the filter.
    return null;
  }

  lost(): number {
    if (this.interfaceIndex !== 0) {
      try {
        this.dropped = Number(readFileSync(`/sys/class/net/${this.name}/statistics/tx_dropped`, "ascii"));
      } catch {
        // It is gone: the last count stands.
      }
    }
    return this.droppedBefore + this.dropped;
  }

  /** Hands over a vector of what waits; false when nothing does. */
  private read(vector: PacketVector, octets: Uint8Array<ArrayBuffer>, take: TakeVector): boolean {
    if (this.interfaceIndex === 0) return false;
    vector.use(octets);
    const atMicros = nowMicros();
    for (let at = 0; !vector.full; at += FRAME_OCTETS) {
      const length = this.libc.read(this.fd, this.frames.address + BigInt(at), FRAME_OCTETS);
      if (length === FAILED) break; // EAGAIN, or the device is gone, which `wait` sees
      vector.add(at, length, length, atMicros, LINKTYPE_ETHERNET, 0);
    }
    if (vector.length === 0) return false;
    take(vector);
    return true;
  }

  private async wait(): Promise<void> {
    this.watch();
    const fds = new Int32Array(this.pollfd.buffer);
    fds[0] = this.interfaceIndex === 0 ? -1 : this.fd; // poll(2) skips negative descriptors
    new Int16Array(this.pollfd.buffer).set([POLLIN, 0], 2);
    await this.libc.poll(this.pollfd, 1, WAIT_MS);
  }

  private watch(): void {
    if (this.interfaceIndex !== 0 && this.libc.interfaceIndex(this.name) !== this.interfaceIndex) {
      this.interfaceIndex = 0;
      this.droppedBefore += this.dropped;
      this.dropped = 0;
      this.onDevice("gone");
    }
    if (this.interfaceIndex !== 0 || performance.now() < this.retryAtMs) return;
    try {
      this.interfaceIndex = attach(this.libc, this.fd, this.name);
      this.onDevice("back");
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      this.retryAtMs = performance.now() + RETRY_MS;
    }
  }
}

function openTun(): number {
  try {
    return openSync(TUN_DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const advice = "it needs root or CAP_NET_ADMIN, and a kernel with TUN/TAP (modprobe tun)";
    throw new OperationalError("capture", `cannot make a TAP (${reason}); ${advice}`, { cause });
  }
}

/** Makes the device and returns its number. */
function attach(libc: Libc, fd: number, name: string): number {
  const request = new Uint8Array(IFREQ_OCTETS);
  new TextEncoder().encodeInto(name, request);
  new Uint16Array(request.buffer)[IFREQ_FLAGS / 2] = IFF_TAP | IFF_NO_PI;
  if (libc.ioctl(fd, TUNSETIFF, request) === FAILED) {
    const code = libc.errorName();
    throw new OperationalError("capture", `cannot make TAP ${name} (${code})${ADVICE[code] ?? ""}`);
  }
  return libc.interfaceIndex(name);
}

const ADVICE: Readonly<Record<string, string>> = {
  EBUSY: "; another process has one of this name: give this mirror another (mirror.name)",
  EINVAL: "; there is another device of this name: give this mirror another (mirror.name)",
  EPERM: "; it needs root or the capability CAP_NET_ADMIN",
};
