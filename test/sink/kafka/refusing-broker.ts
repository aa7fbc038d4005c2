import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

/** Requests that it answers (the Kafka protocol's api keys), and the versions that it says it has. */
const METADATA = 3;
const API_VERSIONS = 18;
const INIT_PRODUCER_ID = 22;
const FIND_COORDINATOR = 10;
const VERSIONS = [
  [API_VERSIONS, 0, 2],
  [METADATA, 1, 1],
  [INIT_PRODUCER_ID, 0, 0],
  [FIND_COORDINATOR, 1, 1],
] as const;
const CLUSTER_AUTHORIZATION_FAILED = 31;

/**
 * A broker in front of a cluster that gives no producer its number: it is there, has the topics it is asked for, and
 * refuses InitProducerId. A real one cannot be made to refuse this and take the rest, for as long as a test wants it.
 */
export class RefusingBroker {
  /** Connections that are open. */
  readonly connections = new Set<Socket>();
  /** Times that a number was asked for. */
  refused = 0;
  private readonly server: Server = createServer((socket) => this.serve(socket));

  async listen(): Promise<string> {
    await once(this.server.listen(0, "127.0.0.1"), "listening");
    return `127.0.0.1:${this.port}`;
  }

  close(): void {
    for (const socket of this.connections) socket.destroy();
    this.server.close();
  }

  private get port(): number {
    const address = this.server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  private serve(socket: Socket): void {
    this.connections.add(socket);
    socket.on("close", () => this.connections.delete(socket));
    let rest: Uint8Array = new Uint8Array(0);
    socket.on("data", (piece: Uint8Array) => {
      let waiting = Buffer.concat([rest, piece]);
      while (waiting.length >= 4 && waiting.length >= 4 + waiting.readInt32BE(0)) {
        const request = waiting.subarray(4, 4 + waiting.readInt32BE(0));
        waiting = waiting.subarray(4 + request.length);
        const body = this.answer(request.readInt16BE(0), request.readInt16BE(2));
        if (body === null) {
          socket.destroy();
          return;
        }
        socket.write(Buffer.concat([int32(4 + body.length), request.subarray(4, 8), body]));
      }
      rest = waiting;
    });
  }

  private answer(key: number, version: number): Buffer | null {
    switch (key) {
      case API_VERSIONS: {
        const throttle = version > 0 ? [int32(0)] : [];
        return Buffer.concat([int16(0), int32(VERSIONS.length), ...VERSIONS.flat().map(int16), ...throttle]);
      }
      case METADATA: {
        const self = [int32(1), text("127.0.0.1"), int32(this.port), int16(-1)];
        const partition = [int16(0), int32(0), int32(1), int32(1), int32(1), int32(1), int32(1)];
        const topic = [int16(0), text("rejoin.sessions.v1"), Buffer.of(0), int32(1), ...partition];
        return Buffer.concat([int32(1), ...self, int32(1), int32(1), ...topic]);
      }
      case FIND_COORDINATOR:
        return Buffer.concat([int32(0), int16(0), int16(-1), int32(1), text("127.0.0.1"), int32(this.port)]);
      case INIT_PRODUCER_ID:
        this.refused += 1;
        return Buffer.concat([int32(0), int16(CLUSTER_AUTHORIZATION_FAILED), Buffer.alloc(8, 0xff), int16(-1)]);
      default:
        return null;
    }
  }
}

function int16(value: number): Buffer {
  const octets = Buffer.alloc(2);
  octets.writeInt16BE(value);
  return octets;
}

function int32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeInt32BE(value);
  return octets;
}

function text(words: string): Buffer {
  const octets = Buffer.from(words);
  return Buffer.concat([int16(octets.length), octets]);
}
