import type { Logger } from "pino";
import { PROTOCOL_GRE } from "../../../src/wire/ipv4.ts";
import { LINKTYPE_IPV4 } from "../../../src/wire/link-type.ts";
import { loadRawSocket, type RawSocket } from "../../linux/raw-socket.ts";
import { SO_RCVBUF, SO_RCVBUFFORCE, SOL_SOCKET } from "../../linux/socket-options.ts";
import { OperationalError } from "../../runtime/errors.ts";
import { Arrivals, type TakeVector } from "./arrivals.ts";
import { DeliveryHeaders } from "./delivery-header.ts";
import { kernelDrops, kernelQueue } from "./kernel-drops.ts";
import { quiet, type Source, type SourceCounters, warnOfBuffer } from "./source.ts";

/** The longest packet. */
const MESSAGE_OCTETS = 65_536;

/** Where the kernel counts for the socket. */
const EVERY_ADDRESS = { 4: ["raw", "0.0.0.0"], 6: ["raw6", "::"] } as const;

/**
 * Sockets that are open, one for each source: one that only waiting code refers to is collected, that code waits for ever, and
 * the process may end without a word.
 */
const openSockets = new Set<RawSocket>();

/** Receives GRE (IP protocol 47) of one IP version, at every address of the machine. Needs root or CAP_NET_RAW. */
export class RawGreSource implements Source {
  readonly name: string;
  private readonly version: 4 | 6;
  private readonly receiveOctets: number;
  private readonly arrivals: Arrivals;
  private readonly log: Logger;
  private readonly headers = new DeliveryHeaders(PROTOCOL_GRE);
  private socket: RawSocket | null = null;
  private lastDrops: number | null = null;
  private unreadOctets: number | null = 0;

  /** `receiveOctets` is what the kernel is asked to queue for the socket. */
  constructor(version: 4 | 6, receiveOctets: number, take: TakeVector, source: number, log: Logger) {
    this.name = `gre over IPv${version}`;
    this.version = version;
    this.receiveOctets = receiveOctets;
    this.arrivals = new Arrivals(take, source);
    this.log = log;
  }

  async start(): Promise<void> {
    const raw = loadRawSocket("--listen-gre needs package raw-socket", "--listen-udp works without it");
    try {
      this.socket = raw.createSocket({
        protocol: PROTOCOL_GRE,
        addressFamily: this.version === 4 ? 1 : 2,
        bufferSize: MESSAGE_OCTETS,
      });
    } catch (error) {
      throw new OperationalError(
        "PRIVILEGE",
        `${this.name}: a raw socket cannot be had (${error instanceof Error ? error.message : String(error)}); ` +
          "run as root or with CAP_NET_RAW, or receive GRE-in-UDP with --listen-udp",
        { cause: error },
      );
    }
    openSockets.add(this.socket);
    this.socket.on("message", (message: Buffer, address: string) => this.take(message, address));
    this.socket.on("error", (error: Error) => this.log.error(`${this.name}: ${error.message}`));
    this.checkBuffer(this.socket);
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
    await new Promise<void>((resolve) => {
      socket.once("close", resolve);
      socket.close();
    });
    openSockets.delete(socket);
    this.arrivals.flush();
  }

  counters(): SourceCounters {
    const { packets, octets } = this.arrivals;
    const kernelDrops = this.socket === null ? this.lastDrops : this.readDrops();
    return { packets, octets, kernelDrops, unreadOctets: this.unreadOctets };
  }

  /** The IPv4 message begins with the outer IP header, the IPv6 message with the GRE header. */
  private take(message: Buffer, address: string): void {
    if (this.version === 4) {
      this.arrivals.add(NOTHING, message, LINKTYPE_IPV4);
      return;
    }
    const sender = this.headers.of(address, 0, message.length);
    this.arrivals.add(sender.header, message, sender.linkType);
  }

  private checkBuffer(socket: RawSocket): void {
    try {
      // With CAP_NET_ADMIN net.core.rmem_max does not limit it.
      socket.setOption(SOL_SOCKET, SO_RCVBUFFORCE, this.receiveOctets);
    } catch {
      socket.setOption(SOL_SOCKET, SO_RCVBUF, this.receiveOctets);
    }
    const answer = Buffer.alloc(4);
    socket.getOption(SOL_SOCKET, SO_RCVBUF, answer, answer.length);
    // In the machine's own octet order, and doubled by the kernel for its bookkeeping.
    const granted = (new Int32Array(answer.buffer, answer.byteOffset, 1)[0] ?? 0) / 2;
    warnOfBuffer(this.name, this.receiveOctets, granted, this.log);
  }

  private readDrops(): number | null {
    const [table, address] = EVERY_ADDRESS[this.version];
    return kernelDrops(table, address, PROTOCOL_GRE);
  }

  private readQueue(): number | null {
    const [table, address] = EVERY_ADDRESS[this.version];
    return kernelQueue(table, address, PROTOCOL_GRE);
  }
}

const NOTHING = new Uint8Array(0);
