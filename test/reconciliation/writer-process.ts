import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { DeliveryStats } from "../../collectors/delivery/delivery.ts";

/** Built beside this file, or in `dist` where this one is run from its source. */
const WRITER = fileURLToPath(new URL("../../dist/test/reconciliation/writer.js", import.meta.url)).replace(
  "/dist/dist/",
  "/dist/",
);

/** A collector's delivery in a process of its own, with the words of writer.ts. */
export class Writer {
  private readonly child: ChildProcess;
  private last: DeliveryStats | null = null;
  private errors = "";

  constructor(...args: readonly string[]) {
    this.child = spawn(process.execPath, [WRITER, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let rest = "";
    this.child.stdout?.setEncoding("utf8").on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.last = JSON.parse(line);
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text) => {
      this.errors += text;
    });
  }

  /** Waits for an account that is so: the first one, where nothing is said. */
  async tells(isSo: (stats: DeliveryStats) => boolean = () => true): Promise<DeliveryStats> {
    for (;;) {
      if (this.last !== null && isSo(this.last)) return this.last;
      if (this.child.exitCode !== null) throw new Error(`the writer ended: ${this.errors}`);
      await sleep(20);
    }
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill("SIGKILL");
    await once(this.child, "close");
  }

  /** Lets it deliver what it has, and returns its last account. */
  async end(): Promise<DeliveryStats> {
    await this.tells();
    this.child.kill("SIGTERM");
    await once(this.child, "close");
    if (this.last === null) throw new Error("no account");
    return this.last;
  }
}
