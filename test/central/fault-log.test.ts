import { afterEach, expect, test, vi } from "vitest";
import { FaultLog } from "../../collectors/central/fault-log.ts";

afterEach(() => {
  vi.useRealTimers();
});

test("the fault that comes with every packet is logged once a second, and ends no work", () => {
  vi.useFakeTimers();
  const stacks: string[] = [];
  const faults = new FaultLog({ error: ({ stack }: { stack: string }) => void stacks.push(stack) } as never);
  const fail = (what: unknown) =>
    faults.guard(() => {
      throw what;
    });
  fail("the first");
  fail(new RangeError("the second"));
  expect(stacks).toEqual(["the first"]);
  vi.advanceTimersByTime(1000);
  fail(new RangeError("the third"));
  fail("the fourth");
  expect(stacks).toEqual(["the first", expect.stringContaining("RangeError: the third")]);
});
