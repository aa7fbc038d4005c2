import { expect, test } from "vitest";
import type { DeliveryStats } from "../../collectors/delivery/delivery.ts";
import { TopicCount } from "./reconcile.ts";
import { SeenNumbers } from "./seen-numbers.ts";

test("more numbers can be seen than a Set takes, in any order, and each counts once", () => {
  const seen = new SeenNumbers();
  const count = 2 ** 24 + 9;
  for (let n = count - 1; n > count - 1000; n--) seen.add(n);
  let isNew = 0;
  for (let n = 0; n < count; n++) if (seen.add(n)) isNew += 1;
  expect([seen.size, isNew]).toEqual([count, count - 999]);
  expect([0, 7, 8, 2 ** 24, count - 1, count].map((n) => seen.add(n))).toEqual([...Array(5).fill(false), true]);
});

test("a topic is held against an account: what is missing, what is there twice, what stands behind a later one", () => {
  const topic = new TopicCount();
  for (const n of [0, 1, 3, 2, 3, 1_000_000]) topic.take({ key: "k", value: Buffer.from(JSON.stringify({ n })) });
  const stats = { made: 8, acknowledged: 6, stored: 1, shed: { "full/chunk": 1 } };
  expect(topic.compare(stats as unknown as DeliveryStats)).toEqual({
    ...{ made: 8, acknowledged: 6, stored: 1, shed: 1, messages: 6, distinct: 5, missing: 1, disorder: 1 },
  });
});
