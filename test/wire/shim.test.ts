import { describe, expect, it } from "vitest";
import { fateOf } from "../../src/fate.ts";
import { skipShim } from "../../src/wire/shim.ts";
import { hex } from "../support/pcap.ts";
import { over } from "./cursor.ts";

const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const MPLS = 0x8847;
const PPPOE = 0x8864;

/** Over these octets, behind a link layer that says so. */
function behind(protocol: number, dump: string) {
  const { view, cursor } = over(hex(dump));
  cursor.protocol = protocol;
  return { cursor, fate: skipShim(view, cursor) };
}

describe("between a link layer and IP", () => {
  it.each<[name: string, from: number, dump: string, at: number, protocol: number]>([
    ["nothing: IPv4", IPV4, "45", 0, IPV4],
    ["nothing: ARP, which is not its affair", 0x0806, "0001", 0, 0x0806],
    ["one MPLS label", MPLS, "00064140 45", 4, IPV4],
    ["multicast MPLS", 0x8848, "00064140 60", 4, IPV6],
    ["three MPLS labels", MPLS, "00064040 00065040 00066140 60", 12, IPV6],
    ["eight MPLS labels", MPLS, `${"00064040 ".repeat(7)} 00066140 45`, 32, IPV4],
    ["PPPoE with IPv4", PPPOE, "1100 0001 0003 0021 45", 8, IPV4],
    ["PPPoE with IPv6", PPPOE, "1100 0001 0003 0057 60", 8, IPV6],
    ["PPPoE with a compressed number", PPPOE, "1100 0001 0002 21 45", 7, IPV4],
  ])("%s", (_, from, dump, at, protocol) => {
    const { cursor, fate } = behind(from, dump);
    expect(fate).toBe(0);
    expect(cursor).toMatchObject({ at, protocol });
  });

  it.each<[name: string, from: number, dump: string, fate: Parameters<typeof fateOf>[0]]>([
    ["cut in a label", MPLS, "000641", "decapsulate/link-truncated"],
    ["cut before the last label", MPLS, "00064040", "decapsulate/link-truncated"],
    ["cut behind the last label", MPLS, "00064140", "decapsulate/link-truncated"],
    ["nine labels", MPLS, `${"00064040 ".repeat(8)} 00066140 45`, "decapsulate/mpls"],
    ["a pseudowire", MPLS, "00064140 00000000 020000000001", "decapsulate/mpls"],
    ["cut in PPPoE", PPPOE, "1100 0001 0003 00", "decapsulate/link-truncated"],
    ["PPPoE of another version", PPPOE, "2100 0001 0003 0021 45", "decapsulate/ppp"],
    ["PPPoE that is no data", PPPOE, "11a7 0001 0003 0021 45", "decapsulate/ppp"],
    ["PPPoE with LCP", PPPOE, "1100 0001 0006 c021 0901 0004", "decapsulate/ppp"],
  ])("%s: %s", (_, from, dump, fate) => {
    expect(behind(from, dump).fate).toBe(fateOf(fate));
  });

  it("ends where PPPoE says, not with the frame's padding", () => {
    const { cursor } = behind(PPPOE, "1100 0001 0004 0021 4500 | padding\n 0000 0000");
    expect([cursor.end, cursor.wireEnd]).toEqual([10, 10]);
    const none = behind(PPPOE, "1100 0001 0000 0021 4500").cursor;
    expect([none.at, none.end, none.wireEnd]).toEqual([8, 8, 8]);
    const beyond = behind(PPPOE, "1100 0001 ffff 0021 4500").cursor;
    expect([beyond.end, beyond.wireEnd]).toEqual([10, 10]);
  });
});
