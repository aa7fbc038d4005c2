import type { Logger } from "pino";
import { PROTOCOL_GRE } from "../../../src/wire/ipv4.ts";
import { PORT_GRE_IN_UDP } from "../../../src/wire/udp.ts";
import type { CapturePoint } from "../../linux/capture.ts";
import { IngressDrop } from "../../linux/ingress-drop.ts";
import type { Libc } from "../../linux/libc.ts";
import { RingCapture } from "../../linux/ring-capture.ts";
import { UnansweredPackets } from "../../linux/unanswered.ts";
import { OperationalError } from "../../runtime/errors.ts";
import type { TakeVector } from "./arrivals.ts";
import { copyFilter, WHOLE_COPIES } from "./copy-filter.ts";
import { JoinedDatagrams } from "./joined-datagrams.ts";
import type { Source, SourceCounters } from "./source.ts";

/** A block of a ring is handed over after so long, full or not: 64 of them last for a process that waits for three seconds. */
const RETIRE_MS = 50;

/** How rings receive. */
export interface RingSourceOptions {
  /** Octets of kernel memory for each ring. */
  readonly receiveOctets: number;
  /** Have the kernel drop copies once the ring has them (`IngressDrop`). */
  readonly drop: boolean;
}

/**
 * Receives copies that arrive on interfaces through the kernel's packet rings: GRE and GRE-in-UDP, whichever
 * address they are sent to, read where the kernel put them. Fragments are put together by the pipeline.
 */
export class RingSource implements Source {
  readonly name: string;
  private readonly libc: Libc;
  private readonly points: readonly CapturePoint[];
  private readonly options: RingSourceOptions;
  private readonly take: TakeVector;
  private readonly log: Logger;
  private capture: RingCapture | null = null;
  private running: Promise<void> = Promise.resolve();
  private unanswered: UnansweredPackets | null = null;
  private readonly drops = new Map<string, IngressDrop>();
  private stopping = false;
  private packets = 0;
  private octets = 0;

  constructor(libc: Libc, points: readonly CapturePoint[], options: RingSourceOptions, take: TakeVector, log: Logger) {
    this.libc = libc;
    this.points = points;
    this.options = options;
    this.take = take;
    this.log = log;
    this.name = `ring ${points.map(({ name }) => name).join(", ")}`;
  }

  async start(): Promise<void> {
    this.capture = new RingCapture(this.libc, {
      points: this.points,
      ...{ direction: "in", promiscuous: false, filter: copyFilter },
      ...{ octets: this.options.receiveOctets, retireMs: RETIRE_MS },
      onInterface: (name, event) => this.noticed(name, event),
    });
    const joined = new JoinedDatagrams((vector) => {
      this.packets += vector.length;
      for (let i = 0; i < vector.length; i++) this.octets += vector.wire[i] ?? 0;
      this.take(vector);
    });
    this.running = this.capture.run((vector) => joined.pass(vector));
    try {
      this.unanswered = new UnansweredPackets(this.libc, PORT_GRE_IN_UDP, PROTOCOL_GRE);
      if (this.options.drop) for (const { name } of this.points) await this.drop(name);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Each ring is emptied once: what is in it has come before. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.capture?.stop();
    await this.running;
    await this.giveBack();
  }

  counters(): SourceCounters {
    const { packets, octets } = this;
    return { packets, octets, kernelDrops: this.capture?.lost() ?? 0, unreadOctets: 0 };
  }

  private async drop(name: string): Promise<void> {
    const drop = await IngressDrop.install(name, WHOLE_COPIES);
    if (this.stopping) return drop.remove();
    this.drops.set(name, drop);
    void drop.removed.then(() => {
      if (this.stopping || this.drops.get(name) !== drop) return;
      this.log.warn(`nft on ${name} has ended, and with it the rule: copies climb the IP stack again, behind the ring`);
    });
  }

  private noticed(name: string, event: "gone" | "back"): void {
    if (event === "gone") {
      this.log.warn(`interface ${name} is gone; nothing is received there until it is back`);
      return;
    }
    this.log.warn(`interface ${name} is back and received on`);
    if (this.options.drop) void this.dropAgain(name);
  }

  /** The rule went with the interface. */
  private async dropAgain(name: string): Promise<void> {
    const before = this.drops.get(name);
    this.drops.delete(name);
    await before?.remove();
    try {
      if (!this.stopping) await this.drop(name);
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      this.log.warn(error.message);
    }
  }

  private async giveBack(): Promise<void> {
    this.unanswered?.close();
    await Promise.all([...this.drops.values()].map((drop) => drop.remove()));
    this.drops.clear();
  }
}
