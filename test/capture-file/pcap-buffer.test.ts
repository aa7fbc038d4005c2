import { expect, it } from "vitest";
import { PcapBuffer } from "../../src/capture-file/pcap-buffer.ts";

const RAW = { linkType: 101, nanoseconds: false, littleEndian: true };

it("has a file's header and packets one behind the other, as far as there is room", () => {
  const buffer = new PcapBuffer(RAW, 24 + 16 + 3 + 16 + 1);
  buffer.putHeader();
  expect(buffer.put(Uint8Array.of(0x45, 1, 2), 1_700_000_000_000_007)).toBe(true);
  expect(buffer.put(Uint8Array.of(0x60, 1), 0)).toBe(false);
  expect(buffer.put(Uint8Array.of(0x60), 2_000_000)).toBe(true);
  expect([buffer.packets, Buffer.from(buffer.octets).toString("hex")]).toEqual([
    2,
    "d4c3b2a1020004000000000000000000000004006500000000f15365070000000300000003000000450102" +
      "0200000000000000010000000100000060",
  ]);
  buffer.clear();
  expect([buffer.packets, buffer.octets.length]).toEqual([0, 0]);
});
