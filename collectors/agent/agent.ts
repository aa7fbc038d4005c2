import { randomInt } from "node:crypto";
import type { Logger } from "pino";
import type { Destination, Encapsulation } from "../../schema/configuration/destination.ts";
import { CopyEncoder } from "../../src/encapsulate/copy-encoder.ts";
import { type Exclusions, NO_EXCLUSIONS } from "../../src/encapsulate/exclusions.ts";
import { FlowSelection } from "../../src/encapsulate/flow-selection.ts";
import { FlowSieve } from "../../src/encapsulate/flow-sieve.ts";
import type { Capture, Direction } from "../linux/capture.ts";
import { loadLibc } from "../linux/libc.ts";
import { libcForBatches } from "../linux/message-headers.ts";
import { openCapture } from "../linux/open-capture.ts";
import { Interval } from "../runtime/interval.ts";
import { Copier } from "./copier.ts";
import { resolveDestination, type Target } from "./destination.ts";
import { openGreSocket } from "./gre-socket.ts";
import { KernelFilter } from "./kernel-filter.ts";
import { largestRoom, pathRoom } from "./path-room.ts";
import { Replay, type ReplayOptions } from "./replay.ts";
import { logCounters, warnOfLosses } from "./report-log.ts";
import { QueuedTransmitter, type Transmitter } from "./transmitter.ts";
import { openUdpSocket } from "./udp-socket.ts";

/** A selected flow without a packet for so long has ended. */
const IDLE_MS = 600_000;
/** A closed flow's late packets are copied until it was silent for so long. */
const LINGER_MS = 2000;
/** Octets of a packet that the kernel is to hand over: all of the longest that offload makes. */
const LONGEST_FRAME = 262_144;

/** What an agent copies, how, and where to. */
export interface AgentConfig {
  /** Stands in log lines. */
  readonly name: string;
  readonly input:
    | {
        readonly kind: "interfaces";
        readonly names: readonly string[];
        readonly direction: Direction;
        readonly promiscuous: boolean;
        readonly by: "auto" | "ring" | "tcpdump";
        /** Whether the kernel keeps back what cannot belong to a selected flow; a packet ring only. */
        readonly filtered: boolean;
      }
    | ({
        readonly kind: "replay";
        /** Waits until more may be sent, for a reason outside the agent; absent where there is none. */
        readonly hold?: () => Promise<void>;
      } & Pick<ReplayOptions, "files" | "speed" | "begin">);
  readonly collector: Destination;
  readonly encapsulation: Encapsulation;
  /** RFC 2890 key, 0 to 2^32 - 1; null for none. */
  readonly key: number | null;
  /** Most octets of a payload packet in a copy; null for all that the path takes. */
  readonly snap: number | null;
  /** Send copies that are longer than the path MTU whole, in fragments. */
  readonly fragment: boolean;
  /** Flows that are never copied. */
  readonly exclusions: Exclusions;
  /** Flows selected at a time. */
  readonly maxFlows: number;
  /** Time between two lines of counts in the log. */
  readonly reportMs: number;
}

/** What most agents do, apart from where packets come from and go to. */
export const AGENT_DEFAULTS = {
  encapsulation: "udp",
  key: null,
  snap: null,
  fragment: false,
  exclusions: NO_EXCLUSIONS,
  maxFlows: 131_072,
  reportMs: 60_000,
} as const satisfies Partial<AgentConfig>;

/** What an agent did with packets since its start. `selected = sent + failed + dropped`, once it has ended. */
export interface AgentCounters {
  readonly seen: number;
  readonly selected: number;
  readonly sent: number;
  /** Copies that were cut to the snap length or the path. */
  readonly cut: number;
  /** Copies that the kernel refused to send. */
  readonly failed: number;
  /** Times the collector's host said that nobody listens there; each tells of one lost copy at least. */
  readonly refused: number;
  /** Copies not made because the send queue was full. */
  readonly dropped: number;
  /** Packets that the kernel had no room for before the agent saw them. */
  readonly lost: number;
  readonly flows: { readonly live: number; readonly opened: number; readonly evicted: number };
}

/** A running agent. */
export interface Agent {
  /** Resolves with the last counts when the agent has ended: stopped, or its files read. Rejects with an OperationalError. */
  readonly ended: Promise<AgentCounters>;
  /** Files of a replay that were cut short or damaged, one line each; complete when the agent has ended. */
  readonly damage: readonly string[];
  counters(): AgentCounters;
  /** Changes the time between two lines of counts in the log. */
  reportEvery(reportMs: number): void;
  /** Ends the agent: what was captured is still sent. Resolves as `ended` does. */
  stop(): Promise<AgentCounters>;
}

/**
 * Starts an agent: from interfaces or files, through flow selection, to the collector. Rejects with an OperationalError
 * when the input or the way to the collector cannot be had; nothing is left open then. `load` has the C library for
 * copies in batches; where it has none, they are sent one at a time.
 */
export async function startAgent(config: AgentConfig, log: Logger, load: typeof loadLibc = loadLibc): Promise<Agent> {
  const target = await resolveDestination(config.collector);
  const encoder = new CopyEncoder({ key: config.key, room: 0 });
  encoder.room = await roomOnPath(config, target, encoder);
  const batches = () => libcForBatches(load, (line) => log.warn(line), "copies are sent one at a time");
  const socket = config.encapsulation === "gre" ? openGreSocket(target) : await openUdpSocket(target, await batches());
  const transmitter = new QueuedTransmitter(socket, encoder.headerLength + encoder.room);
  const sieve = new FlowSieve(randomInt(2 ** 32));
  const filter = new KernelFilter(sieve, config.exclusions, LONGEST_FRAME);
  try {
    const capture = await openInput(config, transmitter, filter, log);
    log.info(
      { input: capture.kind, collector: target.address, port: target.port, room_octets: encoder.room },
      `agent ${config.name} started`,
    );
    return new RunningAgent(config, target, capture, encoder, transmitter, filter, log);
  } catch (error) {
    await transmitter.close();
    throw error;
  }
}

async function roomOnPath(config: AgentConfig, target: Target, encoder: CopyEncoder): Promise<number> {
  const { headerLength } = encoder;
  const room = config.fragment ? largestRoom(target, headerLength) : await pathRoom(target, headerLength);
  return Math.min(room, config.snap ?? room);
}

function openInput(
  { input }: AgentConfig,
  transmitter: Transmitter,
  filter: KernelFilter,
  log: Logger,
): Promise<Capture> {
  if (input.kind === "replay") {
    const room = async () => {
      await transmitter.room();
      await input.hold?.();
    };
    return Replay.open({ ...input, room });
  }
  const points = input.names.map((name, source) => ({ name, source }));
  const source = input.filtered ? filter.source : null;
  return openCapture({ ...input, points, filter: source, warn: (line) => log.warn(line) });
}

class RunningAgent implements Agent {
  readonly ended: Promise<AgentCounters>;
  private readonly config: AgentConfig;
  private readonly target: Target;
  private readonly capture: Capture;
  private readonly encoder: CopyEncoder;
  private readonly transmitter: Transmitter;
  private readonly filter: KernelFilter;
  private readonly log: Logger;
  private readonly selection: FlowSelection;
  private readonly copier: Copier;
  private readonly looking: Interval;
  private warned: AgentCounters | null = null;

  constructor(
    config: AgentConfig,
    target: Target,
    capture: Capture,
    encoder: CopyEncoder,
    transmitter: Transmitter,
    filter: KernelFilter,
    log: Logger,
  ) {
    this.config = config;
    this.target = target;
    this.capture = capture;
    this.encoder = encoder;
    this.transmitter = transmitter;
    this.filter = filter;
    this.log = log;
    this.selection = new FlowSelection({
      maxFlows: config.maxFlows,
      idleMs: IDLE_MS,
      lingerMs: LINGER_MS,
      seed: randomInt(2 ** 32),
      exclusions: config.exclusions,
      sieve: filter.sieve,
    });
    this.copier = new Copier(this.selection, encoder, transmitter);
    this.looking = new Interval(() => void this.look(), config.reportMs);
    this.ended = this.run();
  }

  get damage(): readonly string[] {
    return this.capture instanceof Replay ? this.capture.damage : [];
  }

  counters(): AgentCounters {
    const { seen, selected, dropped } = this.copier;
    const { sent, failed, refused } = this.transmitter.counters;
    const { live, opened, evicted } = this.selection;
    const { cut } = this.encoder;
    const lost = this.capture.lost();
    return { seen, selected, sent, cut, failed, refused, dropped, lost, flows: { live, opened, evicted } };
  }

  reportEvery(reportMs: number): void {
    this.looking.every(reportMs);
  }

  async stop(): Promise<AgentCounters> {
    this.capture.stop();
    return this.ended;
  }

  private async run(): Promise<AgentCounters> {
    try {
      await this.capture.run((vector) => {
        this.copier.take(vector);
        this.filter.follow(this.capture);
      });
    } finally {
      this.looking.stop();
      this.filter.close();
      await this.transmitter.close();
      this.report("ended");
    }
    return this.counters();
  }

  private async look(): Promise<void> {
    this.report("so far");
    // Routes change, and routers on the way report smaller MTUs; places in the send queue stay as long as they were.
    const room = this.transmitter.capacity - this.encoder.headerLength;
    this.encoder.room = Math.min(room, await roomOnPath(this.config, this.target, this.encoder));
  }

  private report(moment: "so far" | "ended"): void {
    const counters = this.counters();
    const { lastError } = this.transmitter.counters;
    warnOfLosses(this.log, counters, this.warned, { ...this.target, lastError });
    logCounters(this.log, counters, `agent ${this.config.name} ${moment}`);
    this.warned = counters;
  }
}
