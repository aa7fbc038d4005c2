import { describe, expect, it } from "vitest";
import { fateOf } from "../../src/fate.ts";
import { skipLinkLayer } from "../../src/wire/link-layer.ts";
import { hex } from "../support/pcap.ts";
import { over } from "./cursor.ts";

const IPV4 = 0x0800;
const IPV6 = 0x86dd;

describe("link layers", () => {
  it.each<[name: string, linkType: number, dump: string, protocol: number]>([
    ["Ethernet", 1, "020000000001 020000000002 0800", IPV4],
    ["Ethernet, one VLAN tag", 1, "020000000001 020000000002 8100 0064 86dd", IPV6],
    ["Ethernet, two VLAN tags", 1, "020000000001 020000000002 88a8 0064 8100 0065 0800", IPV4],
    ["Ethernet, ARP", 1, "020000000001 020000000002 0806", 0x0806],
    ["Linux cooked", 113, "0000 0001 0006 020000000001 0000 0800", IPV4],
    ["Linux cooked, a VLAN tag", 113, "0000 0001 0006 020000000001 0000 8100 0064 86dd", IPV6],
    ["Linux cooked 2", 276, "86dd 0000 00000003 0001 00 06 020000000001 0000", IPV6],
    ["null, big-endian IPv4", 0, "00000002", IPV4],
    ["null, little-endian IPv4", 0, "02000000", IPV4],
    ["null, little-endian IPv6 of FreeBSD", 0, "1c000000", IPV6],
    ["loop, IPv6 of OpenBSD", 108, "00000018", IPV6],
    ["loop, IPv6 of macOS", 108, "0000001e", IPV6],
  ])("%s", (_, linkType, dump, protocol) => {
    const octets = hex(dump);
    const { view, cursor } = over(octets);
    expect(skipLinkLayer(view, cursor, linkType)).toBe(0);
    expect(cursor).toMatchObject({ at: octets.length, protocol });
  });

  it.each<[name: string, linkType: number, dump: string, protocol: number]>([
    ["raw IPv4", 101, "45", IPV4],
    ["raw IPv6", 101, "60", IPV6],
    ["raw, BSD's 12", 12, "45", IPV4],
    ["raw, BSD's 14", 14, "60", IPV6],
    ["IPv4", 228, "45", IPV4],
    ["IPv6", 229, "60", IPV6],
  ])("%s has no header to pass", (_, linkType, dump, protocol) => {
    const { view, cursor } = over(hex(dump));
    expect(skipLinkLayer(view, cursor, linkType)).toBe(0);
    expect(cursor).toMatchObject({ at: 0, protocol });
  });

  it.each<[name: string, linkType: number, dump: string, fate: Parameters<typeof fateOf>[0]]>([
    ["Ethernet of 13 octets", 1, "020000000001 020000000002 08", "decapsulate/link-truncated"],
    ["cut in a VLAN tag", 1, "020000000001 020000000002 8100 0064 08", "decapsulate/link-truncated"],
    ["three VLAN tags", 1, "020000000001 020000000002 8100 0064 8100 0064 8100 0064", "decapsulate/vlan-depth"],
    ["cooked of 15 octets", 113, "0000 0001 0006 020000000001 0000 08", "decapsulate/link-truncated"],
    ["cooked 2 of 19 octets", 276, "86dd 0000 00000003 0001 00 06 020000000001 00", "decapsulate/link-truncated"],
    ["null of 3 octets", 0, "000000", "decapsulate/link-truncated"],
    ["null, another family", 0, "00000007", "decapsulate/not-ip"],
    ["raw, no octet", 101, "", "decapsulate/link-truncated"],
    ["raw, version 5", 101, "50", "decapsulate/not-ip"],
    ["a link type that is not read", 147, "0000", "decapsulate/link-type-unknown"],
  ])("%s: %i", (_, linkType, dump, fate) => {
    const { view, cursor } = over(hex(dump));
    expect(skipLinkLayer(view, cursor, linkType)).toBe(fateOf(fate));
  });
});
