import { describe, expect, it } from "vitest";
import { FATES } from "../../src/fate.ts";
import type { DecapsulationOptions } from "../../src/pipeline-contract.ts";
import { BEGIN } from "../support/conversation.ts";
import { ACK, ip, segment } from "../support/packets.ts";
import { hex } from "../support/pcap.ts";
import { run } from "../support/pipeline-run.ts";

const A = "10.1.0.1";
const B = "10.2.0.2";
const INNER = segment({ from: { ip: A, port: 40_000 }, to: { ip: B, port: 443 }, flags: ACK });
const GRE = 47;
const UDP = 17;

/** What becomes of a packet. */
function fateOf(octets: Uint8Array, options: DecapsulationOptions = {}): string {
  const { fates } = run([{ octets, wire: octets.length, atMicros: BEGIN }], options);
  return FATES[fates[0] ?? 0]?.reason ?? "";
}

/** A TCP segment in so many GRE headers, IPv4 around each. */
const nested = (depth: number): Uint8Array =>
  depth === 0 ? INNER : ip(GRE, A, B, Buffer.concat([hex("0000 0800"), nested(depth - 1)]));

/** A TCP segment behind these octets, in a UDP datagram to a port. */
function inUdp(port: number, header: string): Uint8Array {
  const payload = Buffer.concat([hex(header), INNER]);
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(50_000, 0);
  udp.writeUInt16BE(port, 2);
  udp.writeUInt16BE(8 + payload.length, 4);
  return ip(UDP, A, B, Buffer.concat([udp, payload]));
}

describe("delivery headers", () => {
  it.each([1, 2, 4, 16])(
    "around a packet: %i are read where so many are asked for, and not one more",
    (tunnelDepth) => {
      expect(fateOf(nested(tunnelDepth), { tunnelDepth })).toBe("plain-tcp");
      expect(fateOf(nested(tunnelDepth + 1), { tunnelDepth })).toBe("tunnel-depth");
    },
  );

  it("around a packet are 4 where nobody says so", () => {
    expect([fateOf(nested(4)), fateOf(nested(5))]).toEqual(["plain-tcp", "tunnel-depth"]);
  });

  it.each([
    ["gre-in-udp", "0000 0800"],
    ["vxlan", "08000000 00004d00 020000000001 020000000002 0800"],
    ["vxlan-gpe", "0c000001 00004d00"],
    ["geneve", "0000 0800 00004d00"],
  ] as const)("%s is read at a port that it is configured for", (encapsulation, header) => {
    expect(fateOf(inUdp(9999, header))).toBe("not-tcp");
    expect(fateOf(inUdp(9999, header), { udpPorts: { 9999: encapsulation } })).toBe("plain-tcp");
  });

  it("VXLAN is read at the port of Linux, too", () => {
    expect(fateOf(inUdp(8472, "08000000 00004d00 020000000001 020000000002 0800"))).toBe("plain-tcp");
  });

  it.each([
    ["jumbo frames", 9000],
    ["the longest packet that fits behind a delivery header", 65_535 - 24],
    // Captured on the sending host: IPv4 has no length for what is around it.
    ["a super-packet of 65,535 octets", 65_535],
  ])("around %s", (_, octets) => {
    const payload = new Uint8Array(octets - INNER.length);
    const inner = segment({ from: { ip: A, port: 1 }, to: { ip: B, port: 2 }, flags: ACK, payload });
    expect(inner).toHaveLength(octets);
    const packet = ipOfAnyLength(Buffer.concat([hex("0000 0800"), inner]));
    expect(fateOf(packet)).toBe("plain-tcp");
  });
});

/** An IPv4 packet of GRE, which states no length where it has no number for it. */
function ipOfAnyLength(payload: Uint8Array): Uint8Array {
  if (payload.length + 20 <= 0xffff) return ip(GRE, A, B, payload);
  const header = ip(GRE, A, B, new Uint8Array(0));
  header.writeUInt16BE(0, 2);
  return Buffer.concat([header, payload]);
}
