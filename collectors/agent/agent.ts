import { randomInt } from "node:crypto";
import type { Logger } from "pino";
import type { Destination } from "../../schema/configuration/destination.ts";
import { Bandwidth } from "../../src/encapsulate/bandwidth.ts";
import type { Exclusions } from "../../src/encapsulate/exclusions.ts";
import { FlowSelection } from "../../src/encapsulate/flow-selection.ts";
import { FlowSieve } from "../../src/encapsulate/flow-sieve.ts";
import { SessionTokens } from "../../src/encapsulate/session-tokens.ts";
import type { Capture } from "../linux/capture.ts";
import { loadLibc } from "../linux/libc.ts";
import { openCapture } from "../linux/open-capture.ts";
import { Interval } from "../runtime/interval.ts";
import type { Agent, AgentConfig, AgentCounters, AgentPolicy, AgentStatus } from "./agent-contract.ts";
import { Copier } from "./copier.ts";
import { KernelFilter } from "./kernel-filter.ts";
import { KernelAgent } from "./mirror/kernel-agent.ts";
import { MirrorCapture } from "./mirror/mirror-capture.ts";
import { mirrorPlan } from "./mirror/plan.ts";
import { ownTraffic } from "./own-traffic.ts";
import { ProcessorShare } from "./processor-share.ts";
import { Replay } from "./replay.ts";
import { logCounters, TunnelWarnings, warnOfLosses } from "./report-log.ts";
import { type OwnCounts, Tunnel } from "./tunnel.ts";
import { Tunnels } from "./tunnels.ts";

/** A selected flow without a packet for so long has ended. */
const IDLE_MS = 600_000;
/** A closed flow's late packets are copied until it was silent for so long. */
const LINGER_MS = 2000;
/** Octets of a packet that the kernel is to hand over: all of the longest that offload makes. */
const LONGEST_FRAME = 262_144;
/** What stands before a payload packet: Ethernet and two tags. */
const LONGEST_LINK_HEADER = 22;
/** Time between two looks at the ways to collectors. */
const LOOK_MS = 1000;

/**
 * Starts an agent: from interfaces or files, through flow selection, to the collectors. Rejects with an OperationalError
 * when the input or the way to a collector cannot be had; nothing is left open then. `load` has the C library for
 * copies in batches; where it has none, they are sent one at a time.
 */
export async function startAgent(config: AgentConfig, log: Logger, load: typeof loadLibc = loadLibc): Promise<Agent> {
  if (config.input.kind === "mirror" && config.input.device !== "tap")
    return KernelAgent.start(config, config.input, log);
  const open = (to: Destination) => Tunnel.open(to, config, log, load);
  const tunnels = await Tunnels.open(config.collectors, open);
  try {
    const exclusions = await withOwnTraffic(config.exclusions, tunnels.all);
    const sieve = new FlowSieve(randomInt(2 ** 32));
    const filter = new KernelFilter(sieve, exclusions, kernelSnap(config), (line) => log.warn(line));
    const share = new ProcessorShare();
    const capture = await openInput(config, tunnels, filter, share, log);
    for (const { target, encoder } of tunnels.all) {
      log.info(
        { input: capture.kind, collector: target.address, port: target.port, room_octets: encoder.room },
        `agent ${config.name} started`,
      );
    }
    return new RunningAgent(config, { tunnels, filter, share, capture, open }, log);
  } catch (error) {
    await tunnels.close();
    throw error;
  }
}

/** Octets of a frame that a copy can need; with the longest header of IPv4 and of TCP, or some of IPv6 before TCP's. */
function kernelSnap({ snap, headersOnly }: AgentConfig): number {
  if (headersOnly) return LONGEST_LINK_HEADER + 256;
  return snap === null ? LONGEST_FRAME : LONGEST_LINK_HEADER + snap;
}

async function withOwnTraffic(exclusions: Exclusions, tunnels: readonly Tunnel[]): Promise<Exclusions> {
  const own = await Promise.all(tunnels.map(({ target }) => ownTraffic(target)));
  return { ...exclusions, pairs: own.filter((pair) => pair !== null) };
}

function openInput(
  config: AgentConfig,
  tunnels: Tunnels,
  filter: KernelFilter,
  share: ProcessorShare,
  log: Logger,
): Promise<Capture> {
  const { input } = config;
  const warn = (line: string) => log.warn(line);
  if (input.kind === "mirror") return MirrorCapture.open(mirrorPlan(input, config, null), () => share.turn(), log);
  if (input.kind === "replay") {
    const room = async () => {
      await tunnels.room();
      await input.hold?.();
    };
    return Replay.open({ ...input, room, warn });
  }
  const points = input.names.map((name, source) => ({ name, source }));
  const source = input.filtered ? filter.source : null;
  return openCapture({ ...input, points, filter: source, turn: () => share.turn(), warn });
}

/** What a running agent is made of. */
interface Parts {
  readonly tunnels: Tunnels;
  readonly filter: KernelFilter;
  readonly share: ProcessorShare;
  readonly capture: Capture;
  readonly open: (to: Destination) => Promise<Tunnel>;
}

class RunningAgent implements Agent {
  readonly ended: Promise<AgentCounters>;
  private readonly config: AgentConfig;
  private readonly parts: Parts;
  private readonly log: Logger;
  private readonly bandwidth = new Bandwidth();
  private readonly selection: FlowSelection;
  private readonly copier: Copier;
  private readonly reports: Interval;
  /** What was counted when the log was last told. */
  private warned: AgentCounters | null = null;
  private readonly warnings = new WeakMap<Tunnel, TunnelWarnings>();

  constructor(config: AgentConfig, parts: Parts, log: Logger) {
    this.config = config;
    this.parts = parts;
    this.log = log;
    const { filter, tunnels } = parts;
    this.selection = new FlowSelection({
      maxFlows: config.maxFlows,
      idleMs: IDLE_MS,
      lingerMs: LINGER_MS,
      seed: randomInt(2 ** 32),
      exclusions: filter.exclusions,
      sieve: filter.sieve,
      tokens: new SessionTokens(),
    });
    this.copier = new Copier(this.selection, tunnels, this.bandwidth);
    this.obey(config);
    this.reports = new Interval(() => this.report("so far"), config.reportMs);
    this.ended = this.run();
  }

  get damage(): readonly string[] {
    const { capture } = this.parts;
    return capture instanceof Replay ? capture.damage : [];
  }

  counters(): AgentCounters {
    const { seen, selected, limited } = this.copier;
    const { live, opened, evicted, leftOut } = this.selection;
    const { tunnels, capture, share } = this.parts;
    return {
      ...{ seen, selected, ...tunnels.counters(), limited },
      ...{ pausedMs: Math.round(share.pausedMs), lost: capture.lost() },
      flows: { live, opened, evicted, leftOut },
    };
  }

  status(): AgentStatus {
    const { tunnels, capture, filter } = this.parts;
    const now = performance.now();
    const collectors = tunnels.all.map((tunnel) => ({
      name: tunnel.name,
      address: tunnel.target.address,
      reachable: tunnel.isOpen(now),
      room: tunnel.encoder.room,
      counters: tunnel.counters(),
    }));
    const { share: sample } = this.selection;
    const counters = this.counters();
    return {
      name: this.config.name,
      pid: process.pid,
      input: capture.kind,
      collectors,
      sample,
      filterRenewals: filter.renewals,
      counters,
    };
  }

  async change(policy: AgentPolicy, collectors: readonly Destination[]): Promise<void> {
    const { tunnels, filter, capture, open } = this.parts;
    await tunnels.change(collectors, open, async (all) => {
      const exclusions = await withOwnTraffic(policy.exclusions, all);
      filter.exclusions = exclusions;
      this.selection.exclude(exclusions);
      filter.renew(capture);
      this.obey(policy);
    });
  }

  reportEvery(reportMs: number): void {
    this.reports.every(reportMs);
  }

  async stop(): Promise<AgentCounters> {
    this.parts.capture.stop();
    return this.ended;
  }

  private obey({ sample, mbitPerSecond, processorPercent }: AgentPolicy): void {
    this.selection.share = sample;
    this.bandwidth.limit(mbitPerSecond);
    this.parts.share.limit(processorPercent);
  }

  private ownCounts(): OwnCounts {
    const { seen, selected } = this.copier;
    return { seen, selected, kernelLost: this.parts.capture.lost() };
  }

  private async run(): Promise<AgentCounters> {
    const { capture, filter, tunnels } = this.parts;
    tunnels.farewell = (tunnel) => tunnel.report(this.ownCounts(), true);
    const telling = setInterval(() => {
      for (const tunnel of tunnels.all) tunnel.report(this.ownCounts(), false);
    }, this.config.ownCountsMs);
    const looks = setInterval(() => void this.look(), LOOK_MS);
    try {
      await capture.run((vector) => {
        this.copier.take(vector);
        filter.follow(capture);
      });
    } finally {
      clearInterval(looks);
      clearInterval(telling);
      this.reports.stop();
      filter.close();
      await tunnels.close();
      this.report("ended");
    }
    return this.counters();
  }

  private async look(): Promise<void> {
    const { tunnels } = this.parts;
    this.warn(false);
    await tunnels.look(performance.now());
  }

  /** Warns of the ways to collectors; of what a `report` counts, too, or of what must be known at once alone. */
  private warn(report: boolean): void {
    const { snap, headersOnly, fragment } = this.config;
    for (const tunnel of this.parts.tunnels.all) {
      const warnings =
        this.warnings.get(tunnel) ?? new TunnelWarnings(this.log, snap === null && !headersOnly && !fragment);
      this.warnings.set(tunnel, warnings);
      const state = { ...tunnel.target, lastError: tunnel.transmitter.counters.lastError };
      warnings.look(state, tunnel.counters(), tunnel.encoder.room, performance.now());
      if (report) warnings.report(state, tunnel.counters());
    }
  }

  private report(moment: "so far" | "ended"): void {
    const counters = this.counters();
    this.warn(true);
    warnOfLosses(this.log, counters, this.warned);
    logCounters(this.log, counters, `agent ${this.config.name} ${moment}`);
    this.warned = counters;
  }
}
