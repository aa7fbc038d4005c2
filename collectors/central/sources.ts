import type { Logger } from "pino";
import { PORT_GRE_IN_UDP } from "../../src/wire/udp.ts";
import type { loadLibc } from "../linux/libc.ts";
import { libcForBatches } from "../linux/message-headers.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { TakeVector } from "./source/arrivals.ts";
import { RawGreSource } from "./source/raw-gre.ts";
import { RingSource } from "./source/ring.ts";
import type { Source, SourceCounters } from "./source/source.ts";
import { type UdpListen, UdpSource } from "./source/udp-source.ts";

/** Where a collector receives copies. */
export interface Listen {
  /** Sockets for copies in UDP. */
  readonly listenUdp: readonly UdpListen[];
  /** IP versions over which GRE (protocol 47) is received. */
  readonly listenGre: readonly (4 | 6)[];
  /** Interfaces on which GRE and GRE-in-UDP are received by packet ring; no socket receives them then. */
  readonly listenRing: readonly string[];
  /** Have the kernel drop copies once the rings have them. */
  readonly ringDrop: boolean;
  /** Have sockets take UDP over IPv6 that has no checksum. */
  readonly zeroUdpChecksums: boolean;
  /** Octets that the kernel is asked to queue for each socket and each ring. */
  readonly receiveOctets: number;
}

/** Who gets what comes. */
export interface Receiver {
  /** Numbers what packets come from. */
  readonly addSource: (name: string) => number;
  readonly take: TakeVector;
}

/** What stands in for a ring that cannot be had: every GRE, and GRE-in-UDP at its port. */
const INSTEAD: Pick<Listen, "listenUdp" | "listenGre"> = {
  listenUdp: [{ host: null, port: PORT_GRE_IN_UDP, encapsulation: "gre-in-udp" }],
  listenGre: [4, 6],
};
const REPLACEABLE = ["no-koffi", "privilege"];

/** All places where a collector receives, started and stopped together. */
export class Sources {
  private readonly listen: Listen;
  private readonly receiver: Receiver;
  private readonly load: typeof loadLibc;
  private readonly log: Logger;
  /** Those that receive, in the order of their start. */
  private readonly started: Source[] = [];
  /** The port of each entry in `listenUdp`; before them that of what stands in for a ring. */
  readonly udpPorts: number[] = [];

  private constructor(listen: Listen, receiver: Receiver, load: typeof loadLibc, log: Logger) {
    this.listen = listen;
    this.receiver = receiver;
    this.load = load;
    this.log = log;
  }

  /**
   * Starts to receive everywhere. Rejects with an `OperationalError` when a place cannot be had; nothing is open then.
   * Where package koffi or the privilege for rings is missing, the log says so, and sockets receive instead. `load` has
   * the C library.
   */
  static async start(listen: Listen, receiver: Receiver, load: typeof loadLibc, log: Logger): Promise<Sources> {
    const sources = new Sources(listen, receiver, load, log);
    try {
      await sources.startAll();
      return sources;
    } catch (error) {
      await sources.stop(0);
      throw error;
    }
  }

  /** Where they listen, for people. */
  get names(): readonly string[] {
    return this.started.map(({ name }) => name);
  }

  /** What each has counted, by its name. */
  counters(): (SourceCounters & { readonly name: string })[] {
    return this.started.map((source) => ({ name: source.name, ...source.counters() }));
  }

  /** Has each hand over what the kernel has queued, for at most about `limitMs`, and give its socket back. Never rejects. */
  async stop(limitMs: number): Promise<void> {
    await Promise.all(this.started.map((source) => source.stop(limitMs)));
  }

  private async startAll(): Promise<void> {
    const { listenRing, listenUdp, listenGre } = this.listen;
    if (listenRing.length === 0 || (await this.startRing())) {
      await this.startUdp(listenUdp);
      for (const version of listenGre) await this.startGre(version);
      return;
    }
    await this.startUdp([...INSTEAD.listenUdp, ...listenUdp]);
    for (const version of INSTEAD.listenGre) await this.startGre(version).catch((error) => this.warnOf(error));
  }

  /** False where rings are not to be had on this machine, or for this user; the log says so. */
  private async startRing(): Promise<boolean> {
    const { listenRing, receiveOctets, ringDrop } = this.listen;
    const { addSource, take } = this.receiver;
    const points = listenRing.map((name) => ({ name, source: addSource(`ring ${name}`) }));
    try {
      await this.begin(new RingSource(await this.load(), points, { receiveOctets, drop: ringDrop }, take, this.log));
      return true;
    } catch (error) {
      if (!(error instanceof OperationalError) || !REPLACEABLE.includes(error.code)) throw error;
      this.log.warn(`${error.message}; copies are received through sockets instead`);
      return false;
    }
  }

  private async startUdp(listen: readonly UdpListen[]): Promise<void> {
    if (listen.length === 0) return;
    const { addSource, take } = this.receiver;
    const warn = (line: string) => this.log.warn(line);
    const libc = await libcForBatches(this.load, warn, "datagrams are received one at a time");
    for (const at of listen) {
      const source = addSource(`${at.encapsulation} ${at.host ?? "*"}:${at.port}`);
      const { port } = await this.begin(new UdpSource(at, this.listen, libc, take, source, this.log));
      this.udpPorts.push(port);
    }
  }

  private async startGre(version: 4 | 6): Promise<void> {
    const { addSource, take } = this.receiver;
    const source = addSource(`gre${version}`);
    await this.begin(new RawGreSource(version, this.listen.receiveOctets, take, source, this.log));
  }

  private async begin<One extends Source>(source: One): Promise<One> {
    await source.start();
    this.started.push(source);
    return source;
  }

  private warnOf(error: unknown): void {
    if (!(error instanceof OperationalError)) throw error;
    this.log.warn(error.message);
  }
}
