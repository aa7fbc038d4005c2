import { describe, expect, it } from "vitest";
import { type FateName, fateOf } from "../../src/fate.ts";
import { DeliveryFields, encapsulationOf } from "../../src/wire/delivery-fields.ts";
import { GRE_ETHERNET } from "../../src/wire/gre.ts";
import { PORT_VXLAN, PORT_VXLAN_GPE, skipVxlan } from "../../src/wire/vxlan.ts";
import { hex } from "../support/pcap.ts";
import { over } from "./cursor.ts";

describe("VXLAN (RFC 7348) and VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe-13)", () => {
  it.each<[name: string, port: number, dump: string, key: number, protocol: number]>([
    ["VXLAN", PORT_VXLAN, "08000000 00004d00", 77, GRE_ETHERNET],
    ["reserved bits, which a receiver ignores", PORT_VXLAN, "fdffff03 ffffffff", 0xffffff, GRE_ETHERNET],
    ["GPE that states no next protocol", PORT_VXLAN_GPE, "08000001 00004d00", 77, GRE_ETHERNET],
    ["GPE: IPv4", PORT_VXLAN_GPE, "0c000001 00004d00", 77, 0x0800],
    ["GPE: IPv6", PORT_VXLAN_GPE, "0c000002 00004d00", 77, 0x86dd],
    ["GPE: Ethernet", PORT_VXLAN_GPE, "0c000003 00004d00", 77, GRE_ETHERNET],
  ])("%s", (_, port, dump, key, protocol) => {
    const { view, cursor } = over(hex(dump), undefined, port);
    const said = Object.assign(new DeliveryFields(), { key: 1, sequence: 2 });
    expect(skipVxlan(view, cursor, said, GRE_ETHERNET)).toBe(0);
    expect(cursor).toMatchObject({ at: 8, protocol });
    expect(said).toMatchObject({
      key,
      sequence: -1,
      encapsulation: encapsulationOf(port === PORT_VXLAN ? "vxlan" : "vxlan-gpe"),
    });
  });

  it.each<[name: string, port: number, dump: string, fate: FateName]>([
    ["7 octets", PORT_VXLAN, "08000000 00004d", "decapsulate/vxlan-truncated"],
    ["no network identifier", PORT_VXLAN, "00000000 00004d00", "decapsulate/vxlan-malformed"],
    ["GPE version 1", PORT_VXLAN_GPE, "1c000003 00004d00", "decapsulate/vxlan-malformed"],
    ["GPE: OAM", PORT_VXLAN_GPE, "0d000003 00004d00", "decapsulate/delivery-protocol"],
    ["GPE: a network service header", PORT_VXLAN_GPE, "0c000004 00004d00", "decapsulate/delivery-protocol"],
  ])("%s", (_, port, dump, fate) => {
    const { view, cursor } = over(hex(dump), undefined, port);
    expect(skipVxlan(view, cursor, new DeliveryFields(), GRE_ETHERNET)).toBe(fateOf(fate));
  });
});
