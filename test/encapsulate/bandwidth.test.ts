import { expect, test } from "vitest";
import { Bandwidth } from "../../src/encapsulate/bandwidth.ts";

test("lets through what its rate says, whatever more is asked for", () => {
  const bandwidth = new Bandwidth();
  bandwidth.limit(8); // a megabyte a second
  let octets = 0;
  for (let ms = 0; ms < 10_000; ms++) {
    bandwidth.advance(ms);
    for (let n = 0; n < 10; n++) if (bandwidth.take(1000)) octets += 1000;
  }
  expect(octets).toBeGreaterThan(9_990_000);
  expect(octets).toBeLessThan(10_200_000);
});

test("without a bound takes everything, also once it had one", () => {
  const bandwidth = new Bandwidth();
  expect(bandwidth.take(1e12)).toBe(true);
  bandwidth.limit(1);
  expect(bandwidth.take(1e9)).toBe(false);
  bandwidth.limit(null);
  bandwidth.advance(5);
  expect(bandwidth.take(1e12)).toBe(true);
});
