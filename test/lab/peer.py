"""One end of test sessions over kernel MPTCP: sends and receives so many octets, counts and hashes them.

    peer.py serve ADDRESS PORT COUNT SEND RECEIVE
    peer.py connect ADDRESS PORT COUNT SEND RECEIVE SOURCE OPENING

OPENING are the octets that go with the SYN (TCP Fast Open); 0 for an ordinary one. A server prints {"listening": PORT}. Each of COUNT connections that has sent and received everything becomes one JSON
line. Then the peer waits for a line on standard input before it closes them, so that the kernel can be asked about
connections that are still there; {"closed": COUNT} comes when they are.
"""

import hashlib
import json
import random
import socket
import struct
import sys
import threading

IPPROTO_MPTCP = 262
SOL_MPTCP = 284
MPTCP_INFO = 1
CHUNK = 65536


OUTPUT = threading.Lock()


def say(**fields):
    with OUTPUT:
        print(json.dumps(fields), flush=True)


def make_socket(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, IPPROTO_MPTCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return sock


def send_all(sock, total, seed, digest, opening):
    digest.update(opening)
    source = random.Random(seed)
    left = total - len(opening)
    while left > 0:
        octets = source.randbytes(min(CHUNK, left))
        sock.sendall(octets)
        digest.update(octets)
        left -= len(octets)


def receive_all(sock, total, digest):
    left = total
    while left > 0:
        octets = sock.recv(min(CHUNK, left))
        if not octets:
            raise ConnectionError(f"closed with {left} octets to come")
        digest.update(octets)
        left -= len(octets)


def token(sock):
    """struct mptcp_info: eight octets, then flags and token."""
    info = sock.getsockopt(SOL_MPTCP, MPTCP_INFO, 64)
    return struct.unpack_from("=I", info, 12)[0]


def converse(sock, seed, send, receive, opening):
    sent, received = hashlib.sha256(), hashlib.sha256()
    sender = threading.Thread(target=send_all, args=(sock, send, seed, sent, opening))
    sender.start()
    receive_all(sock, receive, received)
    sender.join()
    say(
        local=list(sock.getsockname()[:2]),
        remote=list(sock.getpeername()[:2]),
        token=f"0x{token(sock):08x}",
        sent={"octets": send, "sha256": sent.hexdigest()},
        received={"octets": receive, "sha256": received.hexdigest()},
    )


def main():
    role, address, port, count, send, receive, *source = sys.argv[1:]
    port, count, send, receive = int(port), int(count), int(send), int(receive)
    if role == "serve":
        listener = make_socket(address)
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
            sock = make_socket(address)
            sock.bind((source[0], 0))
            opening = bytes(int(source[1]))
            if opening:
                opening = opening[: sock.sendto(opening, socket.MSG_FASTOPEN, (address, port))]
            else:
                sock.connect((address, port))
        sockets.append(sock)
        seed = f"{role} {port} {number}"
        threads.append(threading.Thread(target=converse, args=(sock, seed, send, receive, opening)))
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
