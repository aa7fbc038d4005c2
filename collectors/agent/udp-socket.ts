import { createSocket } from "node:dgram";
import { once } from "node:events";
import { OperationalError } from "../runtime/errors.ts";
import type { Target } from "./destination.ts";
import type { SendSocket } from "./transmitter.ts";

/** Octets the kernel is asked to hold for sending; it grants less where net.core.wmem_max is lower. */
const SEND_BUFFER_OCTETS = 4 * 2 ** 20;

/**
 * A UDP socket connected to the collector (RFC 8086 §3). One source port for all copies keeps them in order on the way,
 * which the collector's ledger of sequence numbers relies on; it leaves the source port's entropy unused.
 */
export async function openUdpSocket(target: Target): Promise<SendSocket> {
  const socket = createSocket(target.family === 6 ? "udp6" : "udp4");
  try {
    socket.connect(target.port ?? 0, target.address);
    await once(socket, "connect");
  } catch (cause) {
    socket.close();
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
  socket.setSendBufferSize(SEND_BUFFER_OCTETS);
  let refused = 0;
  // An error here answers a datagram sent earlier. It would come with the next send if nobody read the socket.
  socket.on("error", () => refused++);
  return {
    get refused() {
      return refused;
    },
    send(arena, at, length, done) {
      socket.send(arena, at, length, (error) => done(error === null ? null : errorName(error)));
    },
    close() {
      socket.close();
    },
  };
}

function errorName(error: Error): string {
  return "code" in error ? String(error.code) : error.message;
}
