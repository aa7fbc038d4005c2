import { connect, createServer, type Server, type Socket } from "node:net";

/** What the proxy does to the next produce request, or to the next so many. */
export type Fault =
  /** The broker stores the batch, and its answer never comes: the connection ends. */
  | "lose-answer"
  /** The connection ends in the middle of the request. */
  | "cut-request"
  /** The broker stores the batch, and the connection ends in the middle of its answer. */
  | "cut-answer"
  /** The broker never sees the request: the proxy answers with an error code of the protocol. */
  | { readonly answer: number };

/** Codes of the protocol that a proxy answers with. */
export const CODES = { NOT_LEADER: 6, MESSAGE_TOO_LARGE: 10, NOT_ENOUGH_REPLICAS: 19, THROTTLED: 89 } as const;

const PRODUCE = 0;
const LENGTH_OCTETS = 4;
const BIG_TIMEOUT = 10_000;

/**
 * Stands between clients and a broker, knows the frames of Kafka's protocol, and does to produce requests and their
 * answers what networks and brokers do: each fault of `faults`, in turn, to one request.
 */
export class KafkaProxy {
  readonly faults: Fault[] = [];
  /** Faults that were done. */
  done = 0;
  /** Milliseconds by which answers to produce requests are late. */
  delayMs = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  constructor(port: number, brokerPort: () => number) {
    this.server = createServer((client) => {
      const broker = connect(brokerPort(), "127.0.0.1");
      const end = () => {
        client.destroy();
        broker.destroy();
      };
      for (const socket of [client, broker]) {
        this.sockets.add(socket);
        socket.setTimeout(BIG_TIMEOUT * 10);
        socket.on("error", () => {});
        socket.on("close", () => {
          this.sockets.delete(socket);
          end();
        });
      }
      /** What becomes of the answer to a request, by its correlation id. */
      const answers = new Map<number, Fault | "delay">();
      frames(client, (frame) => {
        const correlation = frame.readInt32BE(8);
        if (frame.readInt16BE(4) !== PRODUCE) return broker.write(frame);
        const fault = this.faults.shift();
        if (fault !== undefined) this.done += 1;
        if (fault === undefined) answers.set(correlation, "delay");
        else if (fault === "cut-request") return broker.write(frame.subarray(0, frame.length >> 1), end);
        else if (typeof fault === "object") return client.write(produceAnswer(frame, fault.answer));
        else answers.set(correlation, fault);
        return broker.write(frame);
      });
      frames(broker, (frame) => {
        const fault = answers.get(frame.readInt32BE(4));
        answers.delete(frame.readInt32BE(4));
        if (fault === "lose-answer") return end();
        if (fault === "cut-answer") return client.write(frame.subarray(0, frame.length >> 1), end);
        if (fault === "delay" && this.delayMs > 0) {
          setTimeout(() => client.writable && client.write(frame), this.delayMs);
          return;
        }
        return client.write(frame);
      });
    }).listen(port, "127.0.0.1");
  }

  /** Ends all connections; new ones can be made. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.server.close();
    this.cut();
  }
}

/** Hands over each whole frame: four octets of length, and so many more. */
function frames(socket: Socket, take: (frame: Buffer) => unknown): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= LENGTH_OCTETS) {
      const end = LENGTH_OCTETS + rest.readInt32BE(0);
      if (rest.length < end) return;
      take(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  });
}

/** The answer to a produce request of one partition (versions 3 to 7) that says nothing but a code. */
function produceAnswer(request: Buffer, code: number): Buffer {
  const version = request.readInt16BE(6);
  const correlation = request.readInt32BE(8);
  let at = 12;
  const text = (): string => {
    const length = Math.max(0, request.readInt16BE(at));
    at += 2 + length;
    return request.toString("utf8", at - length, at);
  };
  text(); // client id
  text(); // transactional id
  at += 2 + 4; // acks, timeout
  at += 4; // number of topics, one
  const topic = text();
  at += 4; // number of partitions, one
  const partition = request.readInt32BE(at);
  const body = Buffer.alloc(4 + 4 + 2 + topic.length + 4 + 4 + 2 + 8 + 8 + (version >= 5 ? 8 : 0) + 4);
  let to = body.writeInt32BE(correlation, 0);
  to = body.writeInt32BE(1, to);
  to = body.writeInt16BE(topic.length, to);
  to += body.write(topic, to);
  to = body.writeInt32BE(1, to);
  to = body.writeInt32BE(partition, to);
  to = body.writeInt16BE(code, to);
  to = body.writeBigInt64BE(-1n, to);
  to = body.writeBigInt64BE(-1n, to);
  if (version >= 5) to = body.writeBigInt64BE(-1n, to);
  body.writeInt32BE(0, to);
  const length = Buffer.alloc(LENGTH_OCTETS);
  length.writeInt32BE(body.length, 0);
  return Buffer.concat([length, body]);
}
