import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Logger } from "pino";
import { OperationalError } from "../../runtime/errors.ts";
import { Arrivals, type TakeVector } from "./arrivals.ts";
import { DeliveryHeaders } from "./delivery-header.ts";
import { kernelDrops, kernelQueue } from "./kernel-drops.ts";
import { quiet, type Source, type SourceCounters } from "./source.ts";

const PROTOCOL_UDP = 17;

/** Where a `GreInUdpSource` listens. */
export interface UdpListen {
  /** An address of this machine; null: every address, IPv6 and IPv4. */
  readonly host: string | null;
  /** 0 lets the kernel choose. */
  readonly port: number;
}

/** Receives GRE-in-UDP (RFC 8086). The checksum of its datagrams is the kernel's to verify. */
export class GreInUdpSource implements Source {
  private readonly listen: UdpListen;
  private readonly receiveOctets: number;
  private readonly arrivals: Arrivals;
  private readonly log: Logger;
  private readonly headers = new DeliveryHeaders(PROTOCOL_UDP);
  private socket: Socket | null = null;
  private family: "udp4" | "udp6" = "udp6";
  private host: string;
  private boundPort: number;
  private lastDrops: number | null = null;
  private unreadOctets: number | null = 0;

  /** `receiveOctets` is what the kernel is asked to queue for the socket. */
  constructor(listen: UdpListen, receiveOctets: number, take: TakeVector, source: number, log: Logger) {
    this.listen = listen;
    this.receiveOctets = receiveOctets;
    this.arrivals = new Arrivals(take, source);
    this.log = log;
    this.host = listen.host ?? "::";
    this.boundPort = listen.port;
  }

  get name(): string {
    return `udp ${isIPv6(this.host) ? `[${this.host}]` : this.host}:${this.boundPort}`;
  }

  /** The port it listens on, once it is started. */
  get port(): number {
    return this.boundPort;
  }

  async start(): Promise<void> {
    try {
      await this.bind();
    } catch (error) {
      // A machine without IPv6 still has every IPv4 address.
      if (this.listen.host !== null || !isCode(error, ["EAFNOSUPPORT", "EADDRNOTAVAIL"])) throw this.explain(error);
      this.host = "0.0.0.0";
      await this.bind().catch((again) => {
        throw this.explain(again);
      });
    }
    this.checkBuffer();
  }

  async stop(limitMs: number): Promise<void> {
    const socket = this.socket;
    if (socket === null) return;
    await quiet(
      () => this.arrivals.packets,
      () => this.readQueue(),
      limitMs,
    );
    this.lastDrops = this.readDrops();
    this.unreadOctets = this.readQueue();
    this.socket = null;
    await new Promise<void>((resolve) => socket.close(resolve));
    this.arrivals.flush();
  }

  counters(): SourceCounters {
    const { packets, octets } = this.arrivals;
    const kernelDrops = this.socket === null ? this.lastDrops : this.readDrops();
    return { packets, octets, kernelDrops, unreadOctets: this.unreadOctets };
  }

  private async bind(): Promise<void> {
    this.family = isIPv6(this.host) ? "udp6" : "udp4";
    // SO_REUSEADDR alone would let a second collector take the port, and with it the packets, without a word: a socket
    // without it finds out first whether somebody is there.
    if (this.listen.port !== 0) {
      const probe = createSocket({ type: this.family });
      try {
        await bound(probe, this.host, this.listen.port);
      } finally {
        await new Promise<void>((resolve) => probe.close(resolve));
      }
    }
    const socket = createSocket({ type: this.family, reuseAddr: true });
    try {
      await bound(socket, this.host, this.listen.port);
    } catch (error) {
      socket.close();
      throw error;
    }
    this.boundPort = socket.address().port;
    socket.on("message", (datagram: Buffer, { address, port }: RemoteInfo) => {
      const sender = this.headers.of(address, port, datagram.length);
      this.arrivals.add(sender.header, datagram, sender.linkType);
    });
    socket.on("error", (error) => this.log.error(`${this.name}: ${error.message}`));
    this.socket = socket;
  }

  private checkBuffer(): void {
    if (this.socket === null) return;
    this.socket.setRecvBufferSize(this.receiveOctets);
    // Linux doubles what it is asked for, to have room for its own bookkeeping, and says the double.
    const granted = Math.floor(this.socket.getRecvBufferSize() / 2);
    if (granted < this.receiveOctets) {
      this.log.warn(
        { asked: this.receiveOctets, granted },
        `${this.name}: the kernel queues ${granted} octets instead of ${this.receiveOctets}: ` +
          `sysctl -w net.core.rmem_max=${this.receiveOctets}`,
      );
    }
  }

  private readDrops(): number | null {
    return kernelDrops(this.family === "udp6" ? "udp6" : "udp", this.boundPort);
  }

  private readQueue(): number | null {
    return kernelQueue(this.family === "udp6" ? "udp6" : "udp", this.boundPort);
  }

  private explain(error: unknown): OperationalError {
    const options = { cause: error };
    if (isCode(error, ["EADDRINUSE"])) {
      return new OperationalError(
        "PORT_BUSY",
        `${this.name}: the port is in use by another program; stop it or choose another with --listen-udp`,
        options,
      );
    }
    if (isCode(error, ["EACCES"])) {
      return new OperationalError(
        "PRIVILEGE",
        `${this.name}: a port below 1024 needs root or CAP_NET_BIND_SERVICE`,
        options,
      );
    }
    if (isCode(error, ["EADDRNOTAVAIL", "ENOTFOUND", "EAI_AGAIN", "EAFNOSUPPORT"])) {
      return new OperationalError(
        "NO_ADDRESS",
        `${this.name}: ${this.host} is no address of this machine; see ip address`,
        options,
      );
    }
    return new OperationalError(
      "LISTEN",
      `${this.name}: ${error instanceof Error ? error.message : String(error)}`,
      options,
    );
  }
}

function bound(socket: Socket, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off("error", reject);
      resolve();
    });
  });
}

function isCode(error: unknown, codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && codes.includes(error.code);
}
