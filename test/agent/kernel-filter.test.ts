import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { KernelFilter } from "../../collectors/agent/kernel-filter.ts";
import type { Capture } from "../../collectors/linux/capture.ts";
import { NO_EXCLUSIONS } from "../../src/encapsulate/exclusions.ts";
import { FlowSieve } from "../../src/encapsulate/flow-sieve.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A filter over a capture whose kernel gives these answers, the last one for good. */
function filterOf(...answers: (string | null)[]) {
  const sieve = new FlowSieve(1);
  const warnings: string[] = [];
  let attempts = 0;
  const capture: Capture = {
    kind: "ring",
    run: async () => {},
    stop: () => {},
    lost: () => 0,
    renewFilter: () => answers[Math.min(attempts++, answers.length - 1)] ?? null,
  };
  const filter = new KernelFilter(sieve, NO_EXCLUSIONS, 100, (line) => void warnings.push(line));
  return { sieve, warnings, capture, filter, attempts: () => attempts };
}

it("tries a filter again that the kernel had no room for, each second, and warns of it once", () => {
  const { sieve, warnings, capture, filter, attempts } = filterOf("ENOMEM", "ENOMEM", null);
  sieve.add(Uint32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 0);
  filter.follow(capture);
  // A new flow is none that the kernel knows, and packets that come ask for it no more often.
  for (let n = 0; n < 9; n++) filter.follow(capture);
  expect([attempts(), sieve.isWider, filter.renewals]).toEqual([1, true, 0]);
  vi.advanceTimersByTime(1000);
  expect([attempts(), sieve.isWider, filter.renewals]).toEqual([2, true, 0]);
  expect(warnings).toEqual([expect.stringMatching(/filter could not be made anew \(ENOMEM\)/)]);
  vi.advanceTimersByTime(1000);
  expect([attempts(), sieve.isWider, filter.renewals]).toEqual([3, false, 1]);
  vi.advanceTimersByTime(10_000);
  expect(attempts()).toBe(3);
  filter.close();
});

it("tries new exclusions again, though no flow is new", () => {
  const { warnings, capture, filter, attempts } = filterOf("E2BIG", null);
  filter.renew(capture);
  vi.advanceTimersByTime(1000);
  expect([attempts(), filter.renewals, warnings.length]).toEqual([2, 1, 1]);
  filter.close();
});
