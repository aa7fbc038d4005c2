import { once } from "node:events";
import { expect, test } from "vitest";
import { quietIdleTimers } from "../../../collectors/sink/kafka/timer-warnings.ts";

test("idle timers of kafkajs are no warning, anything else is", async () => {
  const told: string[] = [];
  const listener = ({ message }: Error) => void told.push(message);
  process.on("warning", listener);
  quietIdleTimers();
  quietIdleTimers();
  process.emitWarning("-1 is a negative number", "TimeoutNegativeWarning");
  const warned = once(process, "warning");
  process.emitWarning("something else", "TestWarning");
  await warned;
  process.off("warning", listener);
  expect(told).toEqual(["something else"]);
});
