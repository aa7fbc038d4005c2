"""
A TAP with offload headers, as a virtual machine's network card has: tells when it is up, and at a line on standard input
writes frames that fill a ring, and then, each behind one that it can, frames that packet(7) cannot tell: of UDP
fragmentation offload, which no kernel has had since 4.14. It ends at the next line.
"""
import fcntl
import os
import struct
import subprocess
import sys
import time

TUNSETIFF, TAP, NO_INFORMATION, OFFLOAD_HEADER = 0x400454CA, 0x0002, 0x1000, 0x4000
name, filling, pairs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22s", name.encode(), TAP | NO_INFORMATION | OFFLOAD_HEADER, b""))
subprocess.check_call(["ip", "link", "set", name, "up"])
address = bytes.fromhex(open(f"/sys/class/net/{name}/address").read().strip().replace(":", ""))


def frame(payload):
    udp = struct.pack("!HHHH", 5000, 4754, 8 + len(payload), 0) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x0a\x09\0\1", b"\x0a\x09\0\2")
    return address + b"\x02\0\0\0\0\x09\x08\0" + ip + udp


def write(kind, size, octets):
    os.write(tap, struct.pack("<BBHHHH", 0, kind, 42 if kind else 0, size, 0, 0) + octets)
    time.sleep(0.01)


print("up", flush=True)
sys.stdin.readline()
for _ in range(filling):
    write(0, 0, frame(b"\x7f" * 60000))
for _ in range(pairs):
    write(0, 0, frame(b"small"))
    write(3, 1000, frame(b"z" * 3000))
print("done", flush=True)
# With this program the TAP goes, and with it what the ring has not handed over yet.
sys.stdin.readline()
