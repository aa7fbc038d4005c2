import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import type { Destination } from "../../../schema/configuration/destination.ts";
import { OperationalError } from "../../runtime/errors.ts";
import { Interval } from "../../runtime/interval.ts";
import { counted } from "../../terminal/text.ts";
import type { Agent, AgentConfig, AgentCounters, AgentPolicy, AgentStatus } from "../agent-contract.ts";
import { resolveDestination } from "../destination.ts";
import { Mirror, type MirrorCounts } from "./mirror.ts";
import { type MirrorSettings, mirrorPlan } from "./plan.ts";

const NOTHING: MirrorCounts = { copies: 0, dropped: 0, failed: 0, unremembered: 0 };

/** An agent whose kernel sends the copies to the collector itself: it only looks after the rules. */
export class KernelAgent implements Agent {
  readonly ended: Promise<AgentCounters>;
  readonly damage: readonly string[] = [];
  private readonly config: AgentConfig;
  private readonly input: string;
  private readonly mirror: Mirror;
  private readonly log: Logger;
  private readonly reports: Interval;
  private counts = NOTHING;
  private finish: (counters: AgentCounters) => void = () => {};

  private constructor(config: AgentConfig, input: string, mirror: Mirror, log: Logger) {
    this.config = config;
    this.input = input;
    this.mirror = mirror;
    this.log = log;
    this.ended = new Promise((resolve) => {
      this.finish = resolve;
    });
    this.reports = new Interval(() => void this.report("so far"), config.reportMs);
  }

  /** Installs the rules. Rejects with an OperationalError where they cannot be had. */
  static async start(config: AgentConfig, settings: MirrorSettings, log: Logger): Promise<KernelAgent> {
    const { name, collectors } = config;
    const [collector] = collectors;
    const plan = mirrorPlan(settings, config, collector === undefined ? null : await resolveDestination(collector));
    const mirror = await Mirror.install(plan, log);
    log.info(
      { input: plan.by, interfaces: plan.interfaces, ...plan.target },
      `agent ${name} started: the kernel mirrors`,
    );
    return new KernelAgent(config, `${plan.by} to ${plan.target.kind}`, mirror, log);
  }

  /** By the device's counters when they were last read; what the kernel looked at is not counted. */
  counters(): AgentCounters {
    const { copies, dropped, failed } = this.counts;
    const selected = copies + dropped + failed;
    const none = { reports: 0, cut: 0, refused: 0, tooLong: 0, limited: 0, pausedMs: 0, lost: 0 };
    const flows = { live: 0, opened: 0, evicted: 0, leftOut: 0 };
    return { ...none, seen: selected, selected, sent: copies, failed, dropped, flows };
  }

  status(): AgentStatus {
    const { name, sample } = this.config;
    // The kernel sends: there is no tunnel of the agent's to tell of.
    return {
      name,
      pid: process.pid,
      input: this.input,
      collectors: [],
      sample,
      filterRenewals: 0,
      counters: this.counters(),
    };
  }

  /** Rejects with an OperationalError where anything would change. */
  async change(policy: AgentPolicy, collectors: readonly Destination[]): Promise<void> {
    const current: AgentConfig = { ...this.config, ...policy, collectors };
    if (isDeepStrictEqual(current, this.config)) return;
    throw new OperationalError("mirror", "what rules of the kernel are made of is changed by a restart only");
  }

  reportEvery(reportMs: number): void {
    this.reports.every(reportMs);
  }

  async stop(): Promise<AgentCounters> {
    this.reports.stop();
    await this.report("ended");
    await this.mirror.remove();
    const counters = this.counters();
    this.finish(counters);
    return counters;
  }

  private async report(moment: "so far" | "ended"): Promise<void> {
    const before = this.counts;
    this.counts = await this.mirror.counts();
    const lost = this.counts.dropped + this.counts.failed - before.dropped - before.failed;
    if (lost > 0) this.log.warn(`the kernel could not send ${counted(lost, "packet")} on`);
    this.log.info(
      { ...this.counts },
      `agent ${this.config.name} ${moment}; ${counted(this.counts.copies, "packet")} mirrored`,
    );
  }
}
