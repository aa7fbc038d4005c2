import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { GRE_AGENT_REPORT } from "../../src/wire/agent-report.ts";

/** A GRE packet as it arrived. */
export interface Copy {
  readonly key: number | null;
  readonly sequence: number;
  readonly protocol: number;
  /** The payload packet. */
  readonly packet: Buffer;
}

/** Reads a GRE header with a sequence number and perhaps a key. */
export function copyOf(gre: Buffer): Copy {
  const keyed = (gre.readUInt16BE(0) & 0x2000) !== 0;
  const at = keyed ? 8 : 4;
  return {
    key: keyed ? gre.readUInt32BE(4) : null,
    protocol: gre.readUInt16BE(2),
    sequence: gre.readUInt32BE(at),
    packet: gre.subarray(at + 4),
  };
}

/** A plain UDP receiver on loopback that keeps what comes. */
export class Receiver {
  readonly copies: Copy[] = [];
  /** The agent's reports of its own counts, which come in the same stream. */
  readonly reports: Copy[] = [];
  private readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("message", (datagram: Buffer) => {
      const copy = copyOf(Buffer.from(datagram));
      (copy.protocol === GRE_AGENT_REPORT ? this.reports : this.copies).push(copy);
    });
  }

  static async open(): Promise<Receiver> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    socket.setRecvBufferSize(4 << 20);
    return new Receiver(socket);
  }

  get port(): number {
    return this.socket.address().port;
  }

  /** Waits until so many copies have come, and a little longer for those that should not. */
  async received(count: number): Promise<readonly Copy[]> {
    const end = Date.now() + 5000;
    while (this.copies.length < count && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 20));
    return this.copies;
  }

  close(): void {
    this.socket.close();
  }
}
