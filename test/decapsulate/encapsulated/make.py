"""Wraps packets of recorded sessions into every delivery header, with scapy 2.5.0, which knows nothing of rejoin.

    make.py

Reads http-many and ipv6 of ../../captures and writes two files for each IP version outside and inside, gzip'd: each packet
as it was recorded, then once in each encapsulation of `encapsulations.json`, all at the packet's own time; whole, and in
fragments of its outermost IP packet. The last octet of an Ethernet source address says which it is: 0 for the packet itself.
"""

import gzip
import json
import os

from scapy.all import (
    GRE,
    IP,
    UDP,
    VXLAN,
    Dot1AD,
    Dot1Q,
    Ether,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    PcapReader,
    PcapWriter,
    fragment,
    raw,
)
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III, ERSPAN_PlatformSpecific
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.layers.inet import IPOption

FOLDER = os.path.dirname(os.path.abspath(__file__))
IP_TYPE = {4: 0x0800, 6: 0x86DD}
TEB = 0x6558
# Octets of a fragment's payload.
FRAGMENT = 96
# Client ports of two short sessions in ../http-many, one of them with a join.
SESSIONS = {39054, 39070}


def keyed(proto, n, **fields):
    return GRE(proto=proto, key_present=1, seqnum_present=1, key=7, sequence_number=n, **fields)


def in_udp(port, header):
    return UDP(sport=50000, dport=port) / header


# Each: what stands behind the outer IP header, given the inner IP version, the inner packet, its Ethernet frame, a number.
ENCAPSULATIONS = {
    "gre": lambda v, ip, eth, n: GRE(proto=IP_TYPE[v]) / ip,
    "gre-key-sequence": lambda v, ip, eth, n: keyed(IP_TYPE[v], n) / ip,
    "gre-checksum": lambda v, ip, eth, n: keyed(IP_TYPE[v], n, chksum_present=1) / ip,
    "gre-ethernet": lambda v, ip, eth, n: keyed(TEB, n) / eth,
    "gre-ethernet-two-tags": lambda v, ip, eth, n: keyed(TEB, n)
    / Ether(src=eth.src, dst=eth.dst)
    / Dot1AD(vlan=5)
    / Dot1Q(vlan=9)
    / ip,
    "gre-in-udp": lambda v, ip, eth, n: in_udp(4754, keyed(IP_TYPE[v], n)) / ip,
    "gre-in-gre": lambda v, ip, eth, n: keyed(0x0800, n) / IP(src="192.0.2.1", dst="192.0.2.2") / GRE(proto=IP_TYPE[v]) / ip,
    "erspan-1": lambda v, ip, eth, n: GRE(proto=0x88BE) / eth,
    "erspan-2": lambda v, ip, eth, n: GRE(proto=0x88BE, seqnum_present=1, sequence_number=n)
    / ERSPAN_II(ver=1, session_id=17, vlan=3, index=n % 1024)
    / eth,
    "erspan-3": lambda v, ip, eth, n: GRE(proto=0x22EB, seqnum_present=1, sequence_number=n)
    / ERSPAN_III(session_id=17, timestamp=int(eth.time * 10_000) % 2**32, p=1)
    / eth,
    "erspan-3-subheader": lambda v, ip, eth, n: GRE(proto=0x22EB, seqnum_present=1, sequence_number=n)
    / ERSPAN_III(session_id=17, timestamp=int(eth.time * 10_000_000) % 2**32, p=1, gra=1, o=1)
    / ERSPAN_PlatformSpecific(platf_id=1)
    / eth,
    "erspan-3-ip": lambda v, ip, eth, n: GRE(proto=0x22EB, seqnum_present=1, sequence_number=n)
    / ERSPAN_III(session_id=17, timestamp=n, gra=3, ft=2)
    / ip,
    "vxlan": lambda v, ip, eth, n: in_udp(4789, VXLAN(vni=77, flags=0x08)) / eth,
    "vxlan-gpe-ethernet": lambda v, ip, eth, n: in_udp(4790, VXLAN(vni=77, flags=0x0C, NextProtocol=3)) / eth,
    "vxlan-gpe-ip": lambda v, ip, eth, n: in_udp(4790, VXLAN(vni=77, flags=0x0C, NextProtocol=1 if v == 4 else 2)) / ip,
    "geneve-ethernet": lambda v, ip, eth, n: in_udp(6081, GENEVE(vni=77, proto=TEB)) / eth,
    "geneve-ip-options": lambda v, ip, eth, n: in_udp(
        6081,
        GENEVE(
            vni=77,
            proto=IP_TYPE[v],
            critical=1,
            options=[GeneveOptions(classid=0x0102, type=0x80, data=b"\x01\x02\x03\x04"), GeneveOptions(classid=9, type=3)],
        ),
    )
    / ip,
}


def outer(version, n, identification):
    if version == 4:
        # Options now and then, as a header may have them.
        return IP(src="198.51.100.1", dst="198.51.100.9", id=identification, options=[IPOption(b"\x01\x01\x01\x00")] if n % 5 == 0 else [])
    head = IPv6(src="2001:db8:1::1", dst="2001:db8:1::9")
    return head / IPv6ExtHdrDestOpt() if n % 5 == 0 else head


def fragments(packet, n):
    """The fragments of an IP packet, every third time the last one first."""
    if len(packet.payload) <= FRAGMENT:
        pieces = [packet]
    elif packet.version == 4:
        pieces = fragment(packet, fragsize=FRAGMENT)
    else:
        # Not fragment6 of scapy, which loses the last octets of some packets.
        payload = raw(packet.payload)
        pieces = [
            IPv6(src=packet.src, dst=packet.dst, hlim=packet.hlim, nh=44)
            / IPv6ExtHdrFragment(nh=packet.nh, id=n, offset=at // 8, m=at + FRAGMENT < len(payload))
            / payload[at : at + FRAGMENT]
            for at in range(0, len(payload), FRAGMENT)
        ]
    return pieces[::-1] if n % 3 == 0 else pieces


def packets(scenario, chosen):
    """Both routers' packets in the order of time."""
    found = []
    for router in ("router1", "router2"):
        with gzip.open(os.path.join(FOLDER, "../../captures", scenario, f"{router}.pcap.gz")) as file:
            found += [packet for packet in PcapReader(file) if "TCP" in packet and chosen(packet["TCP"])]
    return sorted(found, key=lambda packet: packet.time)


def main():
    inner = {
        4: packets("http-many", lambda tcp: {tcp.sport, tcp.dport} & SESSIONS),
        6: packets("ipv6", lambda tcp: True)[:36],
    }
    names = list(ENCAPSULATIONS)
    with open(os.path.join(FOLDER, "encapsulations.json"), "w") as file:
        json.dump(names, file, indent=2)
        file.write("\n")
    for outside in (4, 6):
        for inside, recorded, fragmented in ((v, inner[v], f) for v in (4, 6) for f in (False, True)):
            path = os.path.join(FOLDER, f"outer{outside}-inner{inside}{'-fragments' if fragmented else ''}.pcap")
            writer = PcapWriter(path, linktype=1, sync=False)
            for n, frame in enumerate(recorded):
                every = [frame.payload] + [
                    outer(outside, n, n * 32 + number) / ENCAPSULATIONS[name](inside, frame.payload, frame, n)
                    for number, name in enumerate(names, 1)
                ]
                for number, packet in enumerate(every):
                    packet = (IP if packet.version == 4 else IPv6)(raw(packet))
                    for piece in fragments(packet, n * 32 + number) if fragmented else [packet]:
                        copy = Ether(src=f"02:00:00:00:00:{number:02x}", dst="02:00:00:00:01:00") / piece
                        copy.time = frame.time
                        writer.write(copy)
            writer.close()
            with open(path, "rb") as plain, gzip.GzipFile(f"{path}.gz", "wb", mtime=0) as packed:
                packed.write(plain.read())
            os.remove(path)


main()
