import { describe, expect, it } from "vitest";
import { type FateName, fateOf } from "../../src/fate.ts";
import { DeliveryFields, encapsulationOf } from "../../src/wire/delivery-fields.ts";
import { skipGeneve } from "../../src/wire/geneve.ts";
import { hex } from "../support/pcap.ts";
import { over } from "./cursor.ts";

describe("Geneve (RFC 8926)", () => {
  it.each<[name: string, dump: string, at: number, key: number, protocol: number]>([
    ["Ethernet inside", "0000 6558 00004d00", 8, 77, 0x6558],
    ["IPv6 inside, reserved bits", "003f 86dd ffffffff", 8, 0xffffff, 0x86dd],
    ["options are stepped over, critical ones too", "0340 0800 00004d00 01028001 01020304 00090300", 20, 77, 0x0800],
  ])("%s", (_, dump, at, key, protocol) => {
    const { view, cursor } = over(hex(dump));
    const said = Object.assign(new DeliveryFields(), { key: 1, sequence: 2 });
    expect(skipGeneve(view, cursor, said)).toBe(0);
    expect(cursor).toMatchObject({ at, protocol });
    expect(said).toMatchObject({ key, sequence: -1, encapsulation: encapsulationOf("geneve") });
  });

  it.each<[name: string, dump: string, fate: FateName]>([
    ["7 octets", "0000 6558 00004d", "decapsulate/geneve-truncated"],
    ["cut in its options", "0300 0800 00004d00 01028001 01020304 000903", "decapsulate/geneve-truncated"],
    ["version 1", "4000 6558 00004d00", "decapsulate/geneve-version"],
    ["a control message", "0080 6558 00004d00", "decapsulate/delivery-protocol"],
  ])("%s", (_, dump, fate) => {
    const { view, cursor } = over(hex(dump));
    expect(skipGeneve(view, cursor, new DeliveryFields())).toBe(fateOf(fate));
  });
});
