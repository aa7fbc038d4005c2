"""Sends frames through an interface: inject.py INTERFACE MAC

Each line of standard input is frames in hex, separated by blanks, and each gets this destination address; when all of a line
are sent, "sent" is printed.
"""
import socket
import sys
import time

out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((sys.argv[1], 0))
to = bytes.fromhex(sys.argv[2].replace(":", ""))
for line in sys.stdin:
    for n, frame in enumerate(line.split()):
        out.send(to + bytes.fromhex(frame)[6:])
        if n % 32 == 31:
            time.sleep(0.002)
    print("sent", flush=True)
