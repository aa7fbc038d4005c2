import { setImmediate } from "node:timers/promises";
import { PacketVector } from "../../src/vector.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { Capture, CapturePoint, TakeVector } from "./capture.ts";
import { type Libc, type Mapping, POLLERR, POLLFD_OCTETS, POLLIN } from "./libc.ts";
import { PacketRing, RETIRE_MS, type RingOptions } from "./packet-ring.ts";

/** Interfaces at a time: each takes a ring of kernel memory. */
const MAX_INTERFACES = 64;
/** Longest wait for packets, and so the longest time until `stop` is seen and interfaces are looked after. */
const WAIT_MS = 250;
/** An interface that is there and cannot be captured on is tried again after so long. */
const RETRY_MS = 1000;

/** What to capture through packet rings. */
export interface RingCaptureOptions extends RingOptions {
  readonly points: readonly CapturePoint[];
  /** The event loop's turn between two blocks. */
  readonly turn?: () => Promise<unknown>;
  /** Told when an interface disappears and when a new one of its name is captured on. */
  readonly onInterface: (name: string, event: "gone" | "back") => void;
}

/**
 * One interface; `ring` is null while there is no such interface. `lostBefore` counts for rings closed already, and
 * `retryAtMs` is the monotonic time before which no new ring is tried.
 */
interface Place {
  readonly point: CapturePoint;
  ring: PacketRing | null;
  lostBefore: number;
  retryAtMs: number;
}

/**
 * Captures on interfaces through one packet ring each and one `poll` for all of them. An interface that is deleted and
 * created again has a new number and its old ring stays silent for ever, so numbers are checked and the ring renewed.
 */
export class RingCapture implements Capture {
  readonly kind = "ring";
  private readonly libc: Libc;
  private readonly options: RingCaptureOptions;
  private readonly places: Place[] = [];
  private readonly pollfds: Mapping;
  private stopping = false;

  /** Opens a ring on each interface. Throws an OperationalError when one of them cannot be captured on. */
  constructor(libc: Libc, options: RingCaptureOptions) {
    this.libc = libc;
    this.options = options;
    if (options.points.length > MAX_INTERFACES) {
      throw new OperationalError("capture", `at most ${MAX_INTERFACES} interfaces can be captured on`);
    }
    const pollfds = libc.map(null, MAX_INTERFACES * POLLFD_OCTETS);
    if (pollfds === null) throw new OperationalError("capture", "no memory to wait for packets with");
    this.pollfds = pollfds;
    try {
      for (const point of options.points) {
        this.places.push({ point, ring: new PacketRing(libc, point, options), lostBefore: 0, retryAtMs: 0 });
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  async run(take: TakeVector): Promise<void> {
    const vector = new PacketVector();
    try {
      while (!this.stopping) {
        if (!(await this.drain(vector, take))) await this.wait(WAIT_MS);
      }
      // Packets that arrived before `stop` lie in blocks which the kernel has yet to hand over: once round each ring.
      await this.wait(3 * (this.options.retireMs ?? RETIRE_MS), 0);
      const blocks = Math.max(...this.places.map(({ ring }) => ring?.blocks ?? 0));
      for (let n = 0; n < blocks && (await this.drain(vector, take)); n++);
    } finally {
      vector.use(new Uint8Array(0));
      this.close();
    }
  }

  stop(): void {
    this.stopping = true;
  }

  renewFilter(): string | null {
    const errors = this.places.map(({ ring }) => ring?.renewFilter() ?? null);
    return errors.find((error) => error !== null) ?? null;
  }

  lost(): number {
    return this.places.reduce((sum, place) => sum + place.lostBefore + (place.ring?.lost() ?? 0), 0);
  }

  /** One block of each ring, the event loop having its turn after each; false when no ring had one. */
  private async drain(vector: PacketVector, take: TakeVector): Promise<boolean> {
    let any = false;
    for (const { ring } of this.places) {
      if (ring === null || !ring.drain(vector, take)) continue;
      any = true;
      await (this.options.turn ?? setImmediate)();
    }
    return any;
  }

  /** Waits until a ring has a block, `events` being POLLIN, or just lets time pass, `events` being 0. */
  private async wait(timeoutMs: number, events: number = POLLIN): Promise<void> {
    this.watch();
    const fds = new Int32Array(this.pollfds.buffer);
    const flags = new Int16Array(this.pollfds.buffer);
    this.places.forEach(({ ring }, k) => {
      fds[k * 2] = ring === null ? -1 : ring.fd; // poll(2) skips negative descriptors
      flags[k * 4 + 2] = events;
      flags[k * 4 + 3] = 0;
    });
    await this.libc.poll(this.pollfds, this.places.length, timeoutMs);
    this.places.forEach(({ ring }, k) => {
      if (((flags[k * 4 + 3] ?? 0) & POLLERR) !== 0) ring?.clearError();
    });
  }

  private watch(): void {
    for (const place of this.places) {
      const index = this.libc.interfaceIndex(place.point.name);
      if (index === (place.ring?.interfaceIndex ?? 0)) continue;
      if (place.ring !== null) {
        place.ring.close();
        place.lostBefore += place.ring.lost();
        place.ring = null;
        this.options.onInterface(place.point.name, "gone");
      }
      if (index === 0 || performance.now() < place.retryAtMs) continue;
      try {
        place.ring = new PacketRing(this.libc, place.point, this.options);
        this.options.onInterface(place.point.name, "back");
      } catch (error) {
        // It may have gone again, or be half made: a later look decides.
        if (!(error instanceof OperationalError)) throw error;
        place.retryAtMs = performance.now() + RETRY_MS;
      }
    }
  }

  private close(): void {
    for (const { ring } of this.places) ring?.close();
    this.libc.unmap(this.pollfds);
  }
}
