import { isIPv6 } from "node:net";
import type { Logger } from "pino";
import { ASSIGNED_PORTS, type UdpEncapsulation } from "../../../schema/encapsulation.ts";
import type { Libc } from "../../linux/libc.ts";
import { OperationalError } from "../../runtime/errors.ts";
import type { TakeVector } from "./arrivals.ts";
import { BatchedDatagrams } from "./batched-datagrams.ts";
import { kernelDrops, kernelQueue, type SocketTable } from "./kernel-drops.ts";
import { bindUdp, SingleDatagrams } from "./single-datagrams.ts";
import { quiet, type Source, type SourceCounters, warnOfBuffer } from "./source.ts";
import type { UdpAddress, UdpInput } from "./udp-input.ts";

/** Where a `UdpSource` listens, and for what. */
export interface UdpListen {
  /** An address of this machine; null: every address, IPv6 and IPv4. */
  readonly host: string | null;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** What its datagrams are, whichever the port. */
  readonly encapsulation: UdpEncapsulation;
}

/** What the kernel is asked for a socket: octets to queue, and datagrams over IPv6 that have no checksum (RFC 6935). */
export interface UdpSettings {
  readonly receiveOctets: number;
  /** Needs batches. */
  readonly zeroUdpChecksums: boolean;
}

/**
 * Receives copies in UDP: GRE (RFC 8086), VXLAN, VXLAN-GPE or Geneve, one of them at each socket. The checksum of its
 * datagrams is the kernel's to verify.
 */
export class UdpSource implements Source {
  private readonly listen: UdpListen;
  private readonly settings: UdpSettings;
  private readonly libc: Libc | null;
  private readonly take: TakeVector;
  private readonly source: number;
  private readonly log: Logger;
  private host: string;
  private input: UdpInput | null = null;
  /** What is left to count once the socket was given back. */
  private last: { readonly kernelDrops: number | null; readonly unreadOctets: number | null } | null = null;

  /** Datagrams are read in batches through `libc`, and one at a time where that is null. */
  constructor(
    listen: UdpListen,
    settings: UdpSettings,
    libc: Libc | null,
    take: TakeVector,
    source: number,
    log: Logger,
  ) {
    this.listen = listen;
    this.settings = settings;
    this.libc = libc;
    this.take = take;
    this.source = source;
    this.log = log;
    this.host = listen.host ?? "::";
  }

  get name(): string {
    const { encapsulation } = this.listen;
    const kind = encapsulation === "gre-in-udp" ? "udp" : encapsulation;
    return `${kind} ${isIPv6(this.host) ? `[${this.host}]` : this.host}:${this.port}`;
  }

  /** The port it listens on, once it is started. */
  get port(): number {
    return this.input?.port ?? this.listen.port;
  }

  async start(): Promise<void> {
    try {
      this.input = await this.bind();
    } catch (error) {
      // A machine without IPv6 still has every IPv4 address.
      if (this.listen.host !== null || !isCode(error, ["EAFNOSUPPORT", "EADDRNOTAVAIL"])) throw this.explain(error);
      this.host = "0.0.0.0";
      this.input = await this.bind().catch((again) => {
        throw this.explain(again);
      });
    }
    const { receiveOctets } = this.settings;
    warnOfBuffer(this.name, receiveOctets, this.input.setReceiveBuffer(receiveOctets), this.log);
  }

  async stop(limitMs: number): Promise<void> {
    const { input } = this;
    if (input === null || this.last !== null) return;
    await quiet(
      () => input.packets,
      () => this.readQueue(),
      limitMs,
    );
    this.last = { kernelDrops: this.readDrops(), unreadOctets: this.readQueue() };
    await input.close();
  }

  counters(): SourceCounters {
    const { packets, octets } = this.input ?? { packets: 0, octets: 0 };
    const { kernelDrops, unreadOctets } = this.last ?? { kernelDrops: this.readDrops(), unreadOctets: 0 };
    return { packets, octets, kernelDrops, unreadOctets };
  }

  private async bind(): Promise<UdpInput> {
    const address: UdpAddress = { host: this.host, port: this.listen.port };
    // SO_REUSEADDR alone would let a second collector take the port, and with it the packets, without a word: a socket
    // without it finds out first whether somebody is there.
    if (address.port !== 0) {
      const probe = await bindUdp(address, false);
      await new Promise<void>((resolve) => probe.close(resolve));
    }
    const onError = (what: string): void => this.log.error(`${this.name}: ${what}`);
    const port = ASSIGNED_PORTS[this.listen.encapsulation];
    const { zeroUdpChecksums } = this.settings;
    if (this.libc !== null) {
      return BatchedDatagrams.open(this.libc, { ...address, zeroUdpChecksums }, port, this.take, this.source, onError);
    }
    if (zeroUdpChecksums) {
      throw new OperationalError(
        "no-koffi",
        `${this.name}: listen.zeroUdpChecksums needs package koffi; install it, or leave the key out`,
      );
    }
    return SingleDatagrams.open(address, port, this.take, this.source, onError);
  }

  private get table(): SocketTable {
    return isIPv6(this.host) ? "udp6" : "udp";
  }

  private readDrops(): number | null {
    return this.input === null ? null : kernelDrops(this.table, this.host, this.port, this.input.fd);
  }

  private readQueue(): number | null {
    return kernelQueue(this.table, this.host, this.port, this.input?.fd);
  }

  private explain(error: unknown): OperationalError {
    if (error instanceof OperationalError) return error;
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

function isCode(error: unknown, codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && codes.includes(error.code);
}
