import { describe, expect, it } from "vitest";
import { type FateName, fateOf } from "../../src/fate.ts";
import { DeliveryFields, encapsulationOf } from "../../src/wire/delivery-fields.ts";
import { GRE_ERSPAN_II, GRE_ERSPAN_III, skipErspan } from "../../src/wire/erspan.ts";
import { GRE_ETHERNET } from "../../src/wire/gre.ts";
import { hex } from "../support/pcap.ts";
import { over } from "./cursor.ts";

/** Fields as a GRE header leaves them. */
const fields = (sequence: number, key = -1): DeliveryFields => Object.assign(new DeliveryFields(), { key, sequence });

describe("ERSPAN (draft-foschiano-erspan-03)", () => {
  it.each<[name: string, type: number, dump: string, sequence: number, at: number, key: number, protocol: number]>([
    ["type I: no header", GRE_ERSPAN_II, "0200 0000", -1, 0, -1, GRE_ETHERNET],
    ["type II: version 1, VLAN 3, session 17", GRE_ERSPAN_II, "1003 0011 00000001", 5, 8, 17, GRE_ETHERNET],
    ["type II: all of the session id", GRE_ERSPAN_II, "1003 fbff 00000001", 5, 8, 1023, GRE_ETHERNET],
    ["type III", GRE_ERSPAN_III, "2003 0011 00000001 0000 8000", 5, 12, 17, GRE_ETHERNET],
    [
      "type III with a platform's subheader",
      GRE_ERSPAN_III,
      "2003 0011 00000001 0000 8007 0400 0000 00000000",
      5,
      20,
      17,
      GRE_ETHERNET,
    ],
    ["type III that holds IPv4", GRE_ERSPAN_III, "2003 0011 00000001 0000 0800 45", 5, 12, 17, 0x0800],
    ["type III that holds IPv6", GRE_ERSPAN_III, "2003 0011 00000001 0000 0800 60", 5, 12, 17, 0x86dd],
  ])("%s", (_, type, dump, sequence, at, key, protocol) => {
    const { view, cursor } = over(hex(dump), undefined, type);
    const said = fields(sequence);
    expect(skipErspan(view, cursor, said, GRE_ETHERNET)).toBe(0);
    expect(cursor).toMatchObject({ at, protocol });
    expect(said).toMatchObject({ key, sequence, encapsulation: encapsulationOf("erspan"), isEgress: false });
  });

  it("a key of GRE names the stream, rather than the session id", () => {
    const { view, cursor } = over(hex("1003 0011 00000001"), undefined, GRE_ERSPAN_II);
    const said = fields(5, 7);
    skipErspan(view, cursor, said, GRE_ETHERNET);
    expect(said.key).toBe(7);
  });

  it("type III says whether the packet was mirrored as it left the device", () => {
    const { view, cursor } = over(hex("2003 0011 00000001 0000 8008"), undefined, GRE_ERSPAN_III);
    const said = fields(5);
    expect(skipErspan(view, cursor, said, GRE_ETHERNET)).toBe(0);
    expect(said.isEgress).toBe(true);
  });

  it.each<[name: string, dump: string, micros: number, unit: number, period: number]>([
    ["100 microseconds", "2003 0011 00000007 0000 8000", 700, 100, 2 ** 32 * 100],
    ["100 nanoseconds", "2003 0011 00000007 0000 8002", 0.7, 0.1, 2 ** 32 * 0.1],
    [
      "IEEE 1588, the seconds in the subheader of platform 5",
      "2003 0011 00000fa0 0000 8005 1400 0000 00000002",
      2_000_004,
      0,
      2 ** 32 * 1e6,
    ],
    ["IEEE 1588, of platform 6", "2003 0011 00000fa0 0000 8005 1800 0000 00000002", 2_000_004, 0, 2 ** 32 * 1e6],
    ["IEEE 1588 without seconds: none", "2003 0011 00000fa0 0000 8004", -1, 0, 0],
    ["IEEE 1588, a subheader that has none: none", "2003 0011 00000fa0 0000 8005 0400 0000 00000002", -1, 0, 0],
    ["a unit of its operator's: none", "2003 0011 00000007 0000 8006", -1, 0, 0],
  ])("type III's time stamp: %s", (_, dump, stampMicros, stampUnitMicros, stampPeriodMicros) => {
    const { view, cursor } = over(hex(dump), undefined, GRE_ERSPAN_III);
    const said = fields(5);
    expect(skipErspan(view, cursor, said, GRE_ETHERNET)).toBe(0);
    expect(said.stampMicros).toBeCloseTo(stampMicros, 6);
    expect(said).toMatchObject({ stampUnitMicros, stampPeriodMicros });
  });

  it.each<[name: string, type: number, dump: string, fate: FateName]>([
    ["type II of 7 octets", GRE_ERSPAN_II, "1003 0011 000000", "decapsulate/erspan-truncated"],
    ["type III of 11 octets", GRE_ERSPAN_III, "2003 0011 00000001 0000 80", "decapsulate/erspan-truncated"],
    [
      "type III cut in its subheader",
      GRE_ERSPAN_III,
      "2003 0011 00000001 0000 8001 00",
      "decapsulate/erspan-truncated",
    ],
    ["type III cut before its IP packet", GRE_ERSPAN_III, "2003 0011 00000001 0000 0800", "decapsulate/link-truncated"],
    ["version 2 as type II", GRE_ERSPAN_II, "2003 0011 00000001", "decapsulate/erspan-malformed"],
    ["version 1 as type III", GRE_ERSPAN_III, "1003 0011 00000001 0000 8000", "decapsulate/erspan-malformed"],
    ["frame type 1", GRE_ERSPAN_III, "2003 0011 00000001 0000 0400 45", "decapsulate/erspan-malformed"],
    ["frame type 2 that holds no IP", GRE_ERSPAN_III, "2003 0011 00000001 0000 0800 00", "decapsulate/not-ip"],
  ])("%s", (_, type, dump, fate) => {
    const { view, cursor } = over(hex(dump), undefined, type);
    expect(skipErspan(view, cursor, fields(5), GRE_ETHERNET)).toBe(fateOf(fate));
  });
});
