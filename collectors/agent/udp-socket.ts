import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { Libc } from "../linux/libc.ts";
import { OperationalError } from "../runtime/errors.ts";
import { openBatchedSocket } from "./batched-socket.ts";
import type { Target } from "./destination.ts";
import { ARENA_OCTETS, SEND_BUFFER_OCTETS, type SendSocket } from "./transmitter.ts";

/**
 * A UDP socket connected to the collector (RFC 8086 §3). One source port for all copies keeps them in order on the way,
 * which the collector's ledger of sequence numbers relies on; it leaves the source port's entropy unused. Copies go in
 * batches through `libc`, and one at a time through a socket of Node's where that is null. Rejects with an
 * OperationalError where there is no way to the collector. `dscp`, 0 to 63, marks copies; copies that are too long go in
 * fragments if `fragment` says so, or where `libc` is null.
 */
export async function openUdpSocket(
  target: Target,
  libc: Libc | null,
  dscp: number | null = null,
  fragment = false,
): Promise<SendSocket> {
  if (libc === null && dscp !== null) {
    throw new OperationalError(
      "no-koffi",
      "dscp needs package koffi for copies over UDP; install it, or leave dscp out",
    );
  }
  try {
    return libc === null ? await openSingleSocket(target) : openBatchedSocket(libc, target, "udp", dscp, fragment);
  } catch (cause) {
    if (cause instanceof OperationalError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OperationalError(
      "no-route",
      `no way to the collector at ${target.address} (${reason}); check --collector and the routes`,
      {
        retriable: true,
        cause,
      },
    );
  }
}

async function openSingleSocket(target: Target): Promise<SendSocket> {
  const socket = createSocket(target.family === 6 ? "udp6" : "udp4");
  try {
    socket.connect(target.port ?? 0, target.address);
    await once(socket, "connect");
  } catch (cause) {
    socket.close();
    throw cause;
  }
  socket.setSendBufferSize(SEND_BUFFER_OCTETS);
  let refused = 0;
  let tooLong = 0;
  // An error here answers a datagram sent earlier. It would come with the next send if nobody read the socket.
  socket.on("error", (error) => {
    if (errorName(error) === "EMSGSIZE") tooLong++;
    else refused++;
  });
  const arena = new Uint8Array(ARENA_OCTETS);
  return {
    get refused() {
      return refused;
    },
    get tooLong() {
      return tooLong;
    },
    arena,
    send(at, length, done) {
      socket.send(arena, at, length, (error) => done(error === null ? null : errorName(error)));
    },
    flush() {}, // each copy went at once
    retry() {}, // and alone
    close() {
      socket.close();
    },
  };
}

function errorName(error: Error): string {
  return "code" in error ? String(error.code) : error.message;
}
