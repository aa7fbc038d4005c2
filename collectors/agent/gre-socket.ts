import { PROTOCOL_GRE } from "../../src/wire/ipv4.ts";
import type { Libc } from "../linux/libc.ts";
import { loadRawSocket } from "../linux/raw-socket.ts";
import { OperationalError } from "../runtime/errors.ts";
import { DSCP_OPTIONS, openBatchedSocket } from "./batched-socket.ts";
import type { Target } from "./destination.ts";
import { ARENA_OCTETS, type SendSocket } from "./transmitter.ts";

/**
 * A raw socket of IP protocol 47 (RFC 2784); the kernel writes the delivery header. Copies go in batches through `libc`, and
 * one at a time through package raw-socket where that is null. Throws an OperationalError where that was not built, the
 * privilege is missing, or there is no way to the collector. `dscp`, 0 to 63, marks copies; those that are
 * too long go in fragments if `fragment` says so, or where `libc` is null.
 */
export function openGreSocket(
  target: Target,
  libc: Libc | null,
  dscp: number | null = null,
  fragment = false,
): SendSocket {
  try {
    return libc === null ? openSingleSocket(target, dscp) : openBatchedSocket(libc, target, "gre", dscp, fragment);
  } catch (cause) {
    if (cause instanceof OperationalError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OperationalError(
      "raw-socket",
      `cannot send IP protocol 47 to ${target.address} (${reason}); it needs a route, and root or the capability CAP_NET_RAW, ` +
        "which --encapsulation udp does not",
      { cause },
    );
  }
}

function openSingleSocket(target: Target, dscp: number | null): SendSocket {
  const needed = "--encapsulation gre needs package koffi, or raw-socket";
  const raw = loadRawSocket(needed, "--encapsulation udp works without them");
  const socket = raw.createSocket({ protocol: PROTOCOL_GRE, addressFamily: target.family === 6 ? 2 : 1 });
  // This socket only sends: GRE that others send to this host is not for it.
  socket.pauseRecv();
  if (dscp !== null) {
    const [level, option] = DSCP_OPTIONS[target.family];
    socket.setOption(level, option, dscp << 2);
  }
  let broken: string | null = null;
  socket.on("error", (error) => {
    broken = error.message;
  });
  const arena = Buffer.from(new ArrayBuffer(ARENA_OCTETS));
  return {
    tooLong: 0,
    refused: 0, // a raw socket that is not connected is told of nothing
    arena,
    send(at, length, done) {
      if (broken !== null) return done(broken);
      socket.send(arena, at, length, target.address, (error) => done(error === null ? null : error.message));
    },
    flush() {}, // each copy went at once
    retry() {}, // and alone
    close() {
      if (broken === null) socket.close();
    },
  };
}
