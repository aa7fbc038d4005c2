import { describe, expect, it } from "vitest";
import { type FateName, fateOf } from "../../src/fate.ts";
import { DeliveryFields } from "../../src/wire/delivery-fields.ts";
import { skipGre } from "../../src/wire/gre.ts";
import { hex } from "../support/pcap.ts";
import { over } from "./cursor.ts";

describe("GRE (RFC 2784, RFC 2890)", () => {
  it.each<[name: string, dump: string, at: number, key: number, sequence: number, protocol: number]>([
    ["base header", "0000 0800", 4, -1, -1, 0x0800],
    ["key", "2000 86dd deadbeef", 8, 0xdeadbeef, -1, 0x86dd],
    ["sequence number", "1000 0800 ffffffff", 8, -1, 0xffffffff, 0x0800],
    ["key and sequence number", "3000 6558 00000007 00000001", 12, 7, 1, 0x6558],
    ["reserved bits 6 to 12, which a receiver ignores", "03f8 0800", 4, -1, -1, 0x0800],
    ["a right checksum with key", "a000 0800 57f8 0000 00000007", 12, 7, -1, 0x0800],
    ["a right checksum over an odd number of octets", "8000 0800 32ff 0000 45", 8, -1, -1, 0x0800],
  ])("%s", (_, dump, at, key, sequence, protocol) => {
    const { view, cursor } = over(hex(dump));
    const fields = new DeliveryFields();
    expect(skipGre(view, cursor, fields)).toBe(0);
    expect(cursor).toMatchObject({ at, protocol });
    expect(fields).toMatchObject({ key, sequence });
  });

  it("a checksum over a cut copy is not doubted", () => {
    const { view, cursor } = over(hex("8000 0800 dead 0000 4500"), 100);
    expect(skipGre(view, cursor, new DeliveryFields())).toBe(0);
  });

  it.each<[name: string, dump: string, fate: FateName]>([
    ["3 octets", "0000 08", "decapsulate/gre-truncated"],
    ["cut before the key", "2000 0800 0000", "decapsulate/gre-truncated"],
    ["cut in the sequence number", "3000 0800 00000001 000000", "decapsulate/gre-truncated"],
    ["version 1 (PPTP)", "3001 880b 0000 0000 00000000", "decapsulate/gre-version"],
    ["bit 1, routing", "4000 0800", "decapsulate/gre-routed"],
    ["bit 4, strict source route", "0800 0800", "decapsulate/gre-routed"],
    ["bit 5, recursion", "0400 0800", "decapsulate/gre-routed"],
    ["a wrong checksum", "8000 0800 ffff 0000 4500", "decapsulate/gre-checksum"],
  ])("%s", (_, dump, fate) => {
    const { view, cursor } = over(hex(dump));
    expect(skipGre(view, cursor, new DeliveryFields())).toBe(fateOf(fate));
  });
});
