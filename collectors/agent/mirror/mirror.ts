import { existsSync } from "node:fs";
import type { Logger } from "pino";
import { OperationalError } from "../../runtime/errors.ts";
import type { MirrorPlan } from "./plan.ts";
import { MAX_SCRIPT_OCTETS, RuleKeeper } from "./rule-keeper.ts";
import { mirrorScript } from "./script.ts";

/** Time between two looks at whether the mirror is whole. */
const CHECK_MS = 2000;

/** What a mirror did since it was installed, by its device's counters. */
export interface MirrorCounts {
  /** Copies that the device was given and took. */
  readonly copies: number;
  /** Copies that the device dropped, or could not send. */
  readonly dropped: number;
  readonly failed: number;
  /** Packets of flows that the full set of flows did not take. */
  readonly unremembered: number;
}

/** Rules of the kernel that copy packets, for as long as this process lives. */
export class Mirror {
  private readonly plan: MirrorPlan;
  private readonly log: Pick<Logger, "info" | "warn">;
  private readonly keeper: RuleKeeper;
  private timer: NodeJS.Timeout | null = null;
  private removal: Promise<void> | null = null;
  private isChecking = false;
  private unremembered = 0;

  private constructor(plan: MirrorPlan, log: Pick<Logger, "info" | "warn">, keeper: RuleKeeper) {
    this.plan = plan;
    this.log = log;
    this.keeper = keeper;
  }

  /** Installs the rules. Rejects with an OperationalError that repeats what was said where they cannot be had. */
  static async install(plan: MirrorPlan, log: Pick<Logger, "info" | "warn">): Promise<Mirror> {
    const script = mirrorScript(plan);
    if (Buffer.byteLength(script) > MAX_SCRIPT_OCTETS) {
      throw new OperationalError("mirror", "there are too many interfaces and exclusions for one mirror; join some");
    }
    for (const device of plan.interfaces) {
      if (existsSync(`/sys/class/net/${device}`)) continue;
      throw new OperationalError("no-interface", `there is no interface ${device}; \`ip link\` lists those there are`);
    }
    const keeper = new RuleKeeper(script, plan.name);
    const { isWell, lines } = await keeper.ask("start");
    if (!isWell) {
      await keeper.end();
      throw new OperationalError("mirror", `cannot mirror with ${plan.by}: ${lines.map(bare(plan)).join("; ")}`);
    }
    const mirror = new Mirror(plan, log, keeper);
    mirror.say(lines);
    mirror.timer = setInterval(() => void mirror.check(), CHECK_MS);
    return mirror;
  }

  /** Installs what is gone again, and says so. Does nothing while an earlier check goes on. */
  async check(): Promise<void> {
    if (this.removal !== null || this.isChecking) return;
    this.isChecking = true;
    const { isWell, lines } = await this.keeper.ask("check");
    this.isChecking = false;
    this.say(lines);
    if (!isWell) this.log.warn("nothing is mirrored; it is tried again");
  }

  /** What it did; since the last installation where it was installed again. */
  async counts(): Promise<MirrorCounts> {
    const { lines } = await this.keeper.ask("counts");
    const counts = new Map(lines.map((line) => line.split(" ")).map(([name, count]) => [name, Number(count)]));
    const count = (name: string) => counts.get(name) ?? 0;
    const unremembered = count("unremembered");
    if (unremembered > this.unremembered) {
      this.log.warn(
        `${this.plan.maxFlows} flows are remembered, and there are more: ${unremembered} packets were copied only because they had an MPTCP option`,
      );
    }
    this.unremembered = unremembered;
    const [copies, dropped, failed] = [count("tx_packets"), count("tx_dropped"), count("tx_errors")];
    return { copies, dropped, failed, unremembered };
  }

  /** Removes the rules and the device. */
  remove(): Promise<void> {
    this.removal ??= this.removed();
    return this.removal;
  }

  private async removed(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    const { isWell, lines } = await this.keeper.end();
    this.say(lines);
    if (!isWell) this.log.warn(`the mirror could not be removed; rejoin agent --clean tries again`);
  }

  private say(lines: readonly string[]): void {
    for (const line of lines) this.log.warn(bare(this.plan)(line));
  }
}

const bare =
  ({ name }: MirrorPlan) =>
  (line: string): string =>
    line.startsWith(`${name}: `) ? line.slice(name.length + 2) : line;
