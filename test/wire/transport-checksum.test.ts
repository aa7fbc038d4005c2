import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTransportSound } from "../../src/wire/transport-checksum.ts";
import { capturePath } from "../support/copies.ts";
import { hex, packetsOf } from "../support/pcap.ts";

const ETHERNET_OCTETS = 14;

/** Of captures in which tshark finds every checksum right: IPv4 and IPv6. */
const PACKETS = ["bulk", "ipv6"].flatMap((name) =>
  packetsOf(capturePath(`${name}/router1.pcap.gz`), 0, 300).map(({ octets }) => octets.subarray(ETHERNET_OCTETS)),
);
/** A datagram of seven octets over IPv6, its checksum by another program. */
const UDP = hex(
  "60000000000f1140 20010db8000000000000000000000001 20010db8000000000000000000000002 12921292000f24eb 636f7069657321",
);

describe("the checksum of a TCP segment or UDP datagram", () => {
  it("is right in what kernels sent", () => {
    expect(PACKETS.length).toBe(600);
    for (const packet of PACKETS) expect(isTransportSound(packet, packet.length)).toBe(true);
    expect(isTransportSound(UDP, UDP.length)).toBe(true);
  });

  it("is wrong when an octet of address or segment is another", () => {
    fc.assert(
      fc.property(fc.constantFrom(...PACKETS, UDP), fc.nat(), fc.integer({ min: 1, max: 255 }), (packet, place, by) => {
        const isIpv4 = (packet[0] ?? 0) >> 4 === 4;
        const from = isIpv4 ? 12 : 8;
        const changed = Uint8Array.from(packet);
        const at = from + (place % (changed.length - from));
        changed[at] = (changed[at] ?? 0) ^ by;
        // A UDP length that cannot be, or no checksum, says nothing.
        expect(isTransportSound(changed, changed.length)).not.toBe(true);
      }),
    );
  });

  it("says nothing of what was cut, of other protocols, of options of IPv4, and where a datagram has none", () => {
    const [packet = new Uint8Array(0)] = PACKETS;
    expect(isTransportSound(packet.subarray(0, -1), packet.length)).toBeNull();
    expect(
      isTransportSound(
        Uint8Array.from(packet, (octet, i) => (i === 9 ? 47 : octet)),
        packet.length,
      ),
    ).toBeNull();
    expect(
      isTransportSound(
        Uint8Array.from(packet, (octet, i) => (i === 0 ? 0x46 : octet)),
        packet.length,
      ),
    ).toBeNull();
    expect(
      isTransportSound(
        Uint8Array.from(UDP, (octet, i) => (i === 46 || i === 47 ? 0 : octet)),
        UDP.length,
      ),
    ).toBeNull();
    expect(isTransportSound(new Uint8Array(0), 0)).toBeNull();
  });
});
