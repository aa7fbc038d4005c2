import { expect, it } from "vitest";
import { sumOctets } from "../../src/octets/octet-sum.ts";
import { hex } from "../support/pcap.ts";

it("the ones-complement sum is RFC 1071's example", () => {
  // RFC 1071 §3: 00 01 f2 03 f4 f5 f6 f7 sums to 2ddf0, folded ddf2.
  const octets = hex("0001 f203 f4f5 f6f7");
  expect(sumOctets(new DataView(octets.buffer), 0, 8)).toBe(0xddf2);
});
