import type { Exclusions } from "../../src/encapsulate/exclusions.ts";
import type { FlowSieve } from "../../src/encapsulate/flow-sieve.ts";
import type { Capture, FilterSource } from "../linux/capture.ts";
import { flowFilter } from "../linux/flow-filter.ts";

/** Making a filter may take one part in so many of the time. */
const SHARE = 10;
/** A filter that lets more pass than it must is made again after so long. */
const NARROW_MS = 1000;
/** One that could not be made is tried again after so long. */
const RETRY_MS = 1000;

/** Keeps the kernel's filter in step with the flows that are selected. */
export class KernelFilter {
  readonly source: FilterSource;
  readonly sieve: FlowSieve;
  exclusions: Exclusions;
  /** Times the filter was made again. */
  renewals = 0;
  private readonly warn: (line: string) => void;
  /** The newest one could not be made. */
  private isBehind = false;
  private nextMs = 0;
  private narrowMs = 0;
  private timer: NodeJS.Timeout | null = null;

  /** `snap` is the octets of a packet that the kernel is to hand over; `warn` is told once when a filter cannot be made. */
  constructor(sieve: FlowSieve, exclusions: Exclusions, snap: number, warn: (line: string) => void) {
    this.warn = warn;
    this.sieve = sieve;
    this.exclusions = exclusions;
    this.source = (link, bits) => flowFilter({ link, bits, snap, sieve, exclusions: this.exclusions });
  }

  /** To be called after a vector was selected from: widens the filter for flows that are new, at once if it may. */
  follow(capture: Capture): void {
    const isLacking = this.isBehind || this.sieve.isWider;
    if (!isLacking && !this.sieve.isNarrower) return;
    const now = performance.now();
    if (!isLacking && now < this.narrowMs) return;
    if (now >= this.nextMs) this.renew(capture);
    else this.followIn(this.nextMs - now, capture);
  }

  /** Makes the filter again; where that fails the one before stays, and it is tried again. */
  renew(capture: Capture): void {
    const begin = performance.now();
    const error = capture.renewFilter();
    const end = performance.now();
    if (error !== null) {
      const told = `the kernel's filter could not be made anew (${error}): packets of new flows may stay in the kernel until it is`;
      if (!this.isBehind) this.warn(told);
      this.isBehind = true;
      this.nextMs = end + RETRY_MS;
      // Nothing may come that passes the one before.
      this.followIn(RETRY_MS, capture);
      return;
    }
    this.isBehind = false;
    this.sieve.seen();
    this.renewals++;
    this.nextMs = end + (end - begin) * SHARE;
    this.narrowMs = end + NARROW_MS;
  }

  private followIn(ms: number, capture: Capture): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.follow(capture);
    }, ms);
  }

  close(): void {
    if (this.timer !== null) clearTimeout(this.timer);
  }
}
