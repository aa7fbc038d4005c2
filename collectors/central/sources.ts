import type { Logger } from "pino";
import { PORT_GRE_IN_UDP } from "../../src/wire/udp.ts";
import type { loadLibc } from "../linux/libc.ts";
import { libcForBatches } from "../linux/message-headers.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { TakeVector } from "./source/arrivals.ts";
import { RawGreSource } from "./source/raw-gre.ts";
import { RingSource } from "./source/ring.ts";
import type { Source } from "./source/source.ts";
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

/** Sources that receive, and the port of each entry in `listenUdp`. */
export interface StartedSources {
  readonly sources: readonly Source[];
  readonly udpPorts: readonly number[];
}

/** What stands in for a ring that cannot be had: every GRE, and GRE-in-UDP at its port. */
const INSTEAD: Pick<Listen, "listenUdp" | "listenGre"> = {
  listenUdp: [{ host: null, port: PORT_GRE_IN_UDP, encapsulation: "gre-in-udp" }],
  listenGre: [4, 6],
};
const REPLACEABLE = ["no-koffi", "privilege"];

/**
 * Starts to receive everywhere. Rejects with an `OperationalError` when a place cannot be had; nothing is open then.
 * Where package koffi or the privilege for rings is missing, the log says so, and sockets receive instead. `load` has
 * the C library, `addSource` numbers what packets come from.
 */
export async function startSources(
  listen: Listen,
  addSource: (name: string) => number,
  take: TakeVector,
  load: typeof loadLibc,
  log: Logger,
): Promise<StartedSources> {
  const started: Source[] = [];
  const start = async <One extends Source>(source: One): Promise<One> => {
    await source.start();
    started.push(source);
    return source;
  };
  try {
    const missing = listen.listenRing.length > 0 && !(await startRing(listen, addSource, take, load, log, start));
    const listenUdp = missing ? [...INSTEAD.listenUdp, ...listen.listenUdp] : listen.listenUdp;
    const listenGre = missing ? INSTEAD.listenGre : listen.listenGre;
    const libc =
      listenUdp.length === 0
        ? null
        : await libcForBatches(load, (line) => log.warn(line), "datagrams are received one at a time");
    const udpPorts: number[] = [];
    for (const at of listenUdp) {
      const source = addSource(`${at.encapsulation} ${at.host ?? "*"}:${at.port}`);
      const { port } = await start(new UdpSource(at, listen, libc, take, source, log));
      udpPorts.push(port);
    }
    for (const version of listenGre) {
      const source = addSource(`gre${version}`);
      const gre = start(new RawGreSource(version, listen.receiveOctets, take, source, log));
      await (missing ? gre.catch((error) => warnOf(error, log)) : gre);
    }
    return { sources: started, udpPorts };
  } catch (error) {
    await Promise.all(started.map((source) => source.stop(0)));
    throw error;
  }
}

/** False where rings are not to be had on this machine, or for this user. */
async function startRing(
  { listenRing, ringDrop, receiveOctets }: Listen,
  addSource: (name: string) => number,
  take: TakeVector,
  load: typeof loadLibc,
  log: Logger,
  start: (source: Source) => Promise<unknown>,
): Promise<boolean> {
  const points = listenRing.map((name) => ({ name, source: addSource(`ring ${name}`) }));
  try {
    await start(new RingSource(await load(), points, { receiveOctets, drop: ringDrop }, take, log));
    return true;
  } catch (error) {
    if (!(error instanceof OperationalError) || !REPLACEABLE.includes(error.code)) throw error;
    log.warn(`${error.message}; copies are received through sockets instead`);
    return false;
  }
}

function warnOf(error: unknown, log: Logger): void {
  if (!(error instanceof OperationalError)) throw error;
  log.warn(error.message);
}
