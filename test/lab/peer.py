"""One end of test sessions over kernel MPTCP: sends and receives so many octets, counts and hashes them.

    peer.py serve ADDRESS PORT COUNT SEND RECEIVE PACE
    peer.py connect ADDRESS PORT COUNT SEND RECEIVE PACE SOURCE OPENING

PACE is `fast`, or `slow`: then it reads seldom and much, into a small buffer, and writes often and little, so that windows
close while there is something to send. OPENING are the octets that go with the SYN (TCP Fast Open); 0 for an ordinary one.
A server prints {"listening": PORT}. Each of COUNT connections that has sent and received everything becomes one JSON
line. Then the peer waits for a line on standard input before it closes them, so that the kernel can be asked about
connections that are still there; {"closed": COUNT} comes when they are. On SIGUSR1 it writes where each of its threads is.
"""

import faulthandler
import hashlib
import json
import random
import signal
import socket
import struct
import sys
import threading
import time

IPPROTO_MPTCP = 262
SOL_MPTCP = 284
MPTCP_INFO = 1
CHUNK = 65536
SLOW_BUFFER = 16384
SLOW_WRITE = 1000
SLOW_WRITE_SECONDS = 0.002
SLOW_READ_SECONDS = 0.3
# No two neighbours are alike.
SLOW_OCTETS = bytes(range(251)) * 4

OUTPUT = threading.Lock()


def say(**fields):
    with OUTPUT:
        print(json.dumps(fields), flush=True)


def make_socket(address, slow):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, IPPROTO_MPTCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if slow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER)
    return sock


def send_all(sock, total, seed, digest, opening, slow):
    digest.update(opening)
    source = random.Random(seed)
    left = total - len(opening)
    while left > 0:
        octets = SLOW_OCTETS[: min(SLOW_WRITE, left)] if slow else source.randbytes(min(CHUNK, left))
        sock.sendall(octets)
        digest.update(octets)
        left -= len(octets)
        if slow:
            time.sleep(SLOW_WRITE_SECONDS)


def receive_all(sock, total, digest, slow):
    left = total
    while left > 0:
        if slow:
            time.sleep(SLOW_READ_SECONDS)
        octets = sock.recv(min(CHUNK, left))
        if not octets:
            raise ConnectionError(f"closed with {left} octets to come")
        digest.update(octets)
        left -= len(octets)


def token(sock):
    """struct mptcp_info: eight octets, then flags and token."""
    info = sock.getsockopt(SOL_MPTCP, MPTCP_INFO, 64)
    return struct.unpack_from("=I", info, 12)[0]


def converse(sock, seed, send, receive, opening, slow):
    sent, received = hashlib.sha256(), hashlib.sha256()
    sender = threading.Thread(target=send_all, args=(sock, send, seed, sent, opening, slow))
    sender.start()
    receive_all(sock, receive, received, slow)
    sender.join()
    say(
        local=list(sock.getsockname()[:2]),
        remote=list(sock.getpeername()[:2]),
        token=f"0x{token(sock):08x}",
        sent={"octets": send, "sha256": sent.hexdigest()},
        received={"octets": receive, "sha256": received.hexdigest()},
    )


def main():
    faulthandler.register(signal.SIGUSR1)
    role, address, port, count, send, receive, pace, *source = sys.argv[1:]
    port, count, send, receive = int(port), int(count), int(send), int(receive)
    slow = pace == "slow"
    if role == "serve":
        listener = make_socket(address, slow)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
        listener.bind((address, port))
        listener.listen(count)
        say(listening=listener.getsockname()[1])
    sockets = []
    threads = []
    for number in range(count):
        opening = b""
        if role == "serve":
            sock, _ = listener.accept()
        else:
            sock = make_socket(address, slow)
            sock.bind((source[0], 0))
            opening = bytes(int(source[1]))
            if opening:
                opening = opening[: sock.sendto(opening, socket.MSG_FASTOPEN, (address, port))]
            else:
                sock.connect((address, port))
        sockets.append(sock)
        seed = f"{role} {port} {number}"
        threads.append(threading.Thread(target=converse, args=(sock, seed, send, receive, opening, slow)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    sys.stdin.readline()
    for sock in sockets:
        sock.shutdown(socket.SHUT_WR)
    for sock in sockets:
        while sock.recv(CHUNK):
            pass
        sock.close()
    say(closed=count)


main()
