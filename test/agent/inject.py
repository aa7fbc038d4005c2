"""Sends the frames of a little-endian pcap file through an interface: inject.py FILE INTERFACE"""
import socket
import struct
import sys
import time

octets = open(sys.argv[1], "rb").read()
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((sys.argv[2], 0))
at = 24
while at < len(octets):
    captured = struct.unpack_from("<I", octets, at + 8)[0]
    out.send(octets[at + 16 : at + 16 + captured])
    at += 16 + captured
    time.sleep(0.0002)
