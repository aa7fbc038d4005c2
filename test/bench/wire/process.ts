import { readdirSync, readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import type { NodeProcess } from "../../lab/network.ts";

/** Processor time of a process so far, in seconds. */
export interface Cpu {
  readonly user: number;
  readonly system: number;
}

const PATIENCE_MS = 30_000;
/** Ticks of /proc a second, on every machine that Node knows. */
const TICKS = 100;
const USER = 11;
const SYSTEM = 12;

/** A program under measurement, which goes on while it is looked at. */
export class MeasuredProcess {
  /** Standard error so far. */
  said = "";
  private readonly child: NodeProcess;

  constructor(child: NodeProcess) {
    this.child = child;
    child.stdout.resume();
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.said += text;
    });
  }

  /** Waits until it has said something. Throws with what it said when it ends or too much time passes before. */
  async says(pattern: RegExp): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!pattern.test(this.said)) {
      const over = this.child.exitCode !== null || this.child.signalCode !== null || performance.now() > end;
      if (over) throw new Error(`${this.child.spawnargs.join(" ")}: ${this.said.trim().split("\n").at(-1)}`);
      await setTimeout(20);
    }
  }

  /** Processor time of all its threads: the scheduler's count, in the shares of the two that /proc tells in ticks. */
  cpu(): Cpu {
    const { pid } = this.child;
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    const [user, system] = [Number(fields[USER]) / TICKS, Number(fields[SYSTEM]) / TICKS];
    const nanos = readdirSync(`/proc/${pid}/task`).map((task) => scheduled(`/proc/${pid}/task/${task}/schedstat`));
    const all = nanos.reduce((sum, one) => sum + one, 0) / 1e9;
    const share = user + system > 0 ? user / (user + system) : 0;
    return { user: all * share, system: all * (1 - share) };
  }

  /** Octets of memory that it has (VmRSS of proc(5)). */
  resident(): number {
    const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.child.pid}/status`, "utf8")) ?? [];
    return Number(kibibytes) * 1024;
  }

  /** Asks it to end and waits until all that it says was read. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.child.once("close", resolve));
    this.child.kill(signal);
    await closed;
  }

  /** The fields of the last line of its log whose message matches. */
  logged(message: RegExp): Record<string, unknown> {
    const lines = this.said.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []));
    return lines.findLast(({ msg }) => message.test(msg)) ?? {};
  }
}

function scheduled(path: string): number {
  try {
    return Number(readFileSync(path, "utf8").split(" ")[0]);
  } catch {
    return 0; // the thread has ended
  }
}
