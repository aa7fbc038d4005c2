"""Runs a program of classic BPF over a pcap file by libpcap's own machine: prints what it returns for each packet.

Usage: run_filter.py PROGRAM PCAP, the program being an array of struct sock_filter, the file possibly gzipped."""
import ctypes
import ctypes.util
import gzip
import struct
import sys

pcap = ctypes.CDLL(ctypes.util.find_library("pcap"))
program = open(sys.argv[1], "rb").read()
if not pcap.bpf_validate(program, len(program) // 8):
    sys.exit("libpcap takes the program for invalid")
pcap.bpf_filter.restype = ctypes.c_uint
with (gzip.open if sys.argv[2].endswith(".gz") else open)(sys.argv[2], "rb") as file:
    octets = file.read()
at = 24
while at < len(octets):
    captured, wire = struct.unpack_from("<II", octets, at + 8)
    print(pcap.bpf_filter(program, octets[at + 16 : at + 16 + captured], wire, captured))
    at += 16 + captured
