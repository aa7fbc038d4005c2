import type { Exclusions } from "../../src/encapsulate/exclusions.ts";
import type { FlowSieve } from "../../src/encapsulate/flow-sieve.ts";
import type { Capture, FilterSource } from "../linux/capture.ts";
import { flowFilter } from "../linux/flow-filter.ts";

/** Making a filter may take one part in so many of the time. */
const SHARE = 10;
/** A filter that lets more pass than it must is made again after so long. */
const NARROW_MS = 1000;

/** Keeps the kernel's filter in step with the flows that are selected. */
export class KernelFilter {
  readonly source: FilterSource;
  readonly sieve: FlowSieve;
  exclusions: Exclusions;
  /** Times the filter was made again. */
  renewals = 0;
  private nextMs = 0;
  private narrowMs = 0;
  private timer: NodeJS.Timeout | null = null;

  /** `snap` is the octets of a packet that the kernel is to hand over. */
  constructor(sieve: FlowSieve, exclusions: Exclusions, snap: number) {
    this.sieve = sieve;
    this.exclusions = exclusions;
    this.source = (link, bits) => flowFilter({ link, bits, snap, sieve, exclusions: this.exclusions });
  }

  /** To be called after a vector was selected from: widens the filter for flows that are new, at once if it may. */
  follow(capture: Capture): void {
    if (!this.sieve.isWider && !this.sieve.isNarrower) return;
    const now = performance.now();
    if (!this.sieve.isWider && now < this.narrowMs) return;
    if (now >= this.nextMs) this.renew(capture);
    else {
      this.timer ??= setTimeout(() => {
        this.timer = null;
        this.follow(capture);
      }, this.nextMs - now);
    }
  }

  /** Makes the filter again. */
  renew(capture: Capture): void {
    const begin = performance.now();
    capture.renewFilter();
    this.sieve.seen();
    this.renewals++;
    const end = performance.now();
    this.nextMs = end + (end - begin) * SHARE;
    this.narrowMs = end + NARROW_MS;
  }

  close(): void {
    if (this.timer !== null) clearTimeout(this.timer);
  }
}
