import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Logger } from "pino";
import type { OutboxRecord, Outcome } from "../outbox/outbox.ts";
import { OperationalError } from "../runtime/errors.ts";
import { persist } from "./persist.ts";
import type { Sink, SinkStats } from "./sink.ts";
import { type SinkTls, tlsOptions } from "./tls.ts";

/** Where a `TcpSink` writes to. */
export interface TcpSinkOptions {
  readonly host: string;
  readonly port: number;
  /** Null: plain TCP. */
  readonly tls: SinkTls | null;
}

const CONNECT_TIMEOUT_MS = 5000;
/** A reader that takes less than a piece in so long is as good as gone. */
const STALL_MS = 30_000;
/** Octets that are written before the next wait: whoever reads slowly, but reads, gets through any batch. */
const PIECE_OCTETS = 16_384;
const LINE_END = Buffer.from("\n");

/**
 * Writes each record as a line of JSON to a TCP or TLS connection, as Logstash and Vector read them. Nothing there
 * acknowledges: a record counts as acknowledged when the kernel has taken it and the connection still stands. What the
 * other side had not read when it went away is lost, or comes twice.
 */
export class TcpSink implements Sink {
  private readonly options: TcpSinkOptions;
  private readonly where: string;
  private readonly log: Logger;
  private socket: Socket | null = null;
  private sends = 0;
  private retries = 0;
  private sendMs = 0;

  constructor(options: TcpSinkOptions, log: Logger) {
    this.options = options;
    this.where = `${options.host}:${options.port}`;
    this.log = log;
  }

  async open(): Promise<void> {
    try {
      await this.connected();
    } catch (error) {
      throw new OperationalError("TCP_UNREACHABLE", `${this.where} cannot be reached: ${(error as Error).message}`, {
        retriable: true,
        cause: error,
      });
    }
  }

  async send(records: readonly OutboxRecord[], signal: AbortSignal): Promise<Outcome[]> {
    const startedMs = performance.now();
    const lines = Buffer.concat(records.flatMap(({ value }) => [value, LINE_END]));
    const isDone = await persist(
      this.where,
      async () => {
        try {
          await write(await this.connected(), lines, signal);
        } catch (error) {
          this.retries += 1;
          this.drop();
          throw error;
        }
      },
      signal,
      this.log,
    );
    this.sends += 1;
    this.sendMs += performance.now() - startedMs;
    return records.map(() => (isDone ? "acknowledged" : "unsent"));
  }

  stats(): SinkStats {
    const { sends, retries } = this;
    const errors: Record<string, number> = retries > 0 ? { network: retries } : {};
    return { sends, retries, errors, sendMs: Math.round(this.sendMs), certificateExpiresMs: null };
  }

  async close(): Promise<void> {
    const socket = this.socket;
    this.socket = null;
    if (socket === null || socket.destroyed) return;
    await new Promise<void>((resolve) => socket.setTimeout(CONNECT_TIMEOUT_MS, resolve).end(resolve));
    socket.destroy();
  }

  private drop(): void {
    this.socket?.destroy();
    this.socket = null;
  }

  private async connected(): Promise<Socket> {
    if (this.socket !== null && !this.socket.destroyed && this.socket.writable) return this.socket;
    const socket = await this.connect();
    // Whoever reads answers nothing; what it says is passed over, and its end is ours.
    socket.on("error", () => {}).on("end", () => socket.destroy());
    socket.resume().setKeepAlive(true, 60_000);
    this.socket = socket;
    return socket;
  }

  private connect(): Promise<Socket> {
    const { host, port, tls } = this.options;
    return new Promise((resolve, reject) => {
      const done = () => {
        socket.setTimeout(0);
        socket.off("error", reject);
        resolve(socket);
      };
      const socket = tls === null ? connect({ host, port }, done) : connectTls(tlsOptions(host, port, tls), done);
      socket.once("error", reject);
      socket.setTimeout(CONNECT_TIMEOUT_MS, () => {
        socket.destroy();
        reject(new Error("it does not answer"));
      });
    });
  }
}

/** Resolves when the kernel has all of it; rejects when the connection ends first, at the signal, or when nobody reads. */
async function write(socket: Socket, lines: Buffer, signal: AbortSignal): Promise<void> {
  for (let at = 0; at < lines.length; at += PIECE_OCTETS) {
    await writePiece(socket, lines.subarray(at, at + PIECE_OCTETS), signal);
  }
}

function writePiece(socket: Socket, piece: Buffer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = () => end(new Error("the connection has ended"));
    const giveUp = () => end(new Error("given up"));
    const timer = setTimeout(() => end(new Error("nobody reads")), STALL_MS);
    function end(error: Error | null): void {
      clearTimeout(timer);
      socket.off("close", onClose);
      signal.removeEventListener("abort", giveUp);
      if (error === null) resolve();
      else reject(error);
    }
    // Between two pieces nobody listens.
    if (socket.destroyed) return onClose();
    if (signal.aborted) return giveUp();
    socket.once("close", onClose);
    signal.addEventListener("abort", giveUp, { once: true });
    socket.write(piece, (error) => end(error ?? null));
  });
}
