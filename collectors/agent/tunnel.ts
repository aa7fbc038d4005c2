import type { Logger } from "pino";
import type { Destination, Encapsulation } from "../../schema/configuration/destination.ts";
import { CopyEncoder } from "../../src/encapsulate/copy-encoder.ts";
import type { PacketVector } from "../../src/vector.ts";
import type { AgentReport } from "../../src/wire/agent-report.ts";
import type { loadLibc } from "../linux/libc.ts";
import { libcForBatches } from "../linux/message-headers.ts";
import { nowMicros } from "../runtime/clock.ts";
import { resolveDestination, type Target } from "./destination.ts";
import { openGreSocket } from "./gre-socket.ts";
import { largestRoom, pathRoom } from "./path-room.ts";
import { QueuedTransmitter, type Transmitter } from "./transmitter.ts";
import { openUdpSocket } from "./udp-socket.ts";

/** A collector that was said to be unreachable is tried again after so long. */
const AWAY_MS = 30_000;
/** Errors that tell of the collector, not of one copy. */
const UNREACHABLE: readonly string[] = ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "EHOSTDOWN"];

/** How copies are made and sent, to whichever collector. */
export interface TunnelOptions {
  readonly encapsulation: Encapsulation;
  /** RFC 2890 key, 0 to 2^32 - 1; null for none. */
  readonly key: number | null;
  /** Most octets of a payload packet in a copy; null for all that the path takes. */
  readonly snap: number | null;
  /** Copies end with the TCP header. */
  readonly headersOnly: boolean;
  /** Send copies that are longer than the path MTU whole, in fragments. */
  readonly fragment: boolean;
  /** Differentiated services code point of copies, 0 to 63; null for what the kernel takes. */
  readonly dscp: number | null;
}

/** What became of the copies for one collector, or for all. */
export interface TunnelCounters {
  /** Copies and reports that the kernel took. */
  readonly sent: number;
  /** Reports of the agent's own counts that were given to the kernel. */
  readonly reports: number;
  readonly cut: number;
  readonly failed: number;
  readonly refused: number;
  readonly tooLong: number;
  readonly dropped: number;
}

/** What an agent's reports say besides what its tunnel counts. */
export type OwnCounts = Pick<AgentReport, "seen" | "selected" | "kernelLost">;

/** Any of the last reports says what the others do: one at least should arrive. */
const LAST_REPORTS = 3;

/** How a collector is called, in every agent alike. */
export function tunnelName({ host, port }: Destination): string {
  return port === null ? host : `${host} ${port}`;
}

/** The way to one collector: copies are numbered and queued for it alone. */
export class Tunnel {
  /** As the configuration names the collector, in every agent alike. */
  readonly name: string;
  readonly target: Target;
  readonly encoder: CopyEncoder;
  readonly transmitter: Transmitter;
  /** Copies not made because every place of the send queue was under way. */
  dropped = 0;
  private reports = 0;
  /** Not the agent's own start: a collector that is put back in the list has a new tunnel, whose numbers begin anew. */
  private readonly startedMicros = nowMicros();
  private readonly options: TunnelOptions;
  private heard = 0;
  private failed = 0;
  private awayUntilMs = 0;

  constructor(name: string, target: Target, encoder: CopyEncoder, transmitter: Transmitter, options: TunnelOptions) {
    this.name = name;
    this.target = target;
    this.encoder = encoder;
    this.transmitter = transmitter;
    this.options = options;
  }

  /**
   * Opens the way to a collector. Rejects with an OperationalError where there is none. `load` has the C library for copies
   * in batches; where it has none, they are sent one at a time.
   */
  static async open(to: Destination, options: TunnelOptions, log: Logger, load: typeof loadLibc): Promise<Tunnel> {
    const target = await resolveDestination(to);
    const encoder = new CopyEncoder({ key: options.key, room: 0 });
    encoder.room = await roomOnPath(options, target, encoder);
    encoder.headersOnly = options.headersOnly;
    const batches = () => libcForBatches(load, (line) => log.warn(line), "copies are sent one at a time");
    const { dscp, encapsulation, fragment } = options;
    const open = encapsulation === "gre" ? openGreSocket : openUdpSocket;
    const socket = await open(target, await batches(), dscp, fragment);
    const transmitter = new QueuedTransmitter(socket, encoder.headerLength + encoder.room);
    return new Tunnel(tunnelName(to), target, encoder, transmitter, options);
  }

  /** Whether nobody has said, of late, that the collector cannot be reached (ICMP; GRE itself has no answer). */
  isOpen(nowMs: number): boolean {
    return nowMs >= this.awayUntilMs;
  }

  counters(): TunnelCounters {
    const { sent, failed, refused, tooLong } = this.transmitter.counters;
    return { sent, reports: this.reports, cut: this.encoder.cut, failed, refused, tooLong, dropped: this.dropped };
  }

  /** Sends the copy of packet i, or of segment `n` of the `count` it stands for, at the next `flush` at the latest. */
  send(vector: PacketVector, i: number, n: number, count: number): void {
    const place = this.transmitter.reserve();
    if (place === null) {
      this.dropped++;
      this.encoder.skip();
    } else this.transmitter.send(this.encoder.encode(vector, i, place, n, count));
  }

  /** Tells the collector, in the stream of copies, what was counted; a report for which there is no room is left out. */
  report(own: OwnCounts, isLast: boolean): void {
    const { transmitter, encoder, startedMicros } = this;
    for (let following = isLast ? LAST_REPORTS - 1 : 0; following >= 0; following--) {
      const place = transmitter.reserve();
      if (place === null) return;
      const { sent, failed } = transmitter.counters;
      const counts = { ...own, startedMicros, sent, failed, dropped: encoder.skipped, isLast };
      transmitter.send(encoder.encodeReport(counts, following, place));
      this.reports++;
    }
    transmitter.flush();
  }

  /** Sees what the way has become: routes change, routers on it report smaller MTUs, and hosts that nobody listens. */
  async look(nowMs: number): Promise<void> {
    const { refused, failed, lastError } = this.transmitter.counters;
    const isUnreachable = refused > this.heard || (failed > this.failed && UNREACHABLE.includes(lastError ?? ""));
    if (isUnreachable) this.awayUntilMs = nowMs + AWAY_MS;
    this.heard = refused;
    this.failed = failed;
    const { encoder, transmitter } = this;
    const room = await roomOnPath(this.options, this.target, encoder);
    // While a copy is under way places stay as long as they are: the next look tries again.
    if (room > encoder.room) transmitter.widen(encoder.headerLength + room);
    encoder.room = Math.min(room, transmitter.capacity - encoder.headerLength);
  }
}

async function roomOnPath(options: TunnelOptions, target: Target, { headerLength }: CopyEncoder): Promise<number> {
  const room = options.fragment ? largestRoom(target, headerLength) : await pathRoom(target, headerLength);
  return Math.min(room, options.snap ?? room);
}
