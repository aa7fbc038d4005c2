import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Copy, sendOverUdp } from "../support/copies.ts";
import { holdAccount } from "./account.ts";

/** The command line as it is installed. */
export const REJOIN = fileURLToPath(new URL("../../dist/bin/rejoin.js", import.meta.url));

/** `rejoin collect` as it is installed, listening on a free port of loopback. */
export class Collect {
  errors = "";
  output = "";
  private readonly child: ChildProcessWithoutNullStreams;

  constructor(...args: readonly string[]) {
    // A directory of its own: two collectors cannot have one outbox.
    const cwd = mkdtempSync(join(tmpdir(), "rejoin-collect-"));
    this.child = spawn(process.execPath, [REJOIN, "collect", "--listen-udp", "127.0.0.1:0", ...args], { cwd });
    this.child.once("close", () => rmSync(cwd, { recursive: true, force: true }));
    this.child.stderr.setEncoding("utf8").on("data", (text) => {
      this.errors += text;
    });
    this.child.stdout.setEncoding("utf8").on("data", (text) => {
      this.output += text;
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  async port(): Promise<number> {
    return Number(await this.says(/listening on udp 127\.0\.0\.1:(\d+)/));
  }

  async says(pattern: RegExp): Promise<string> {
    for (let waits = 0; waits < 1000; waits++) {
      const match = pattern.exec(this.errors);
      if (match !== null) return match[1] ?? match[0];
      if (this.child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`did not say ${pattern}: ${this.errors}`);
  }

  /** Lines of standard error that are not the log. */
  said(): string[] {
    return this.errors.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Closes the reading end of its standard output. */
  stopReading(): void {
    this.child.stdout.destroy();
  }

  /** Waits for its end, and for an account that adds up. */
  async ended(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, "close");
    holdAccount(this.errors);
    return this.child.exitCode;
  }
}

/** Sends without word of arrival, slowly enough for a buffer of any size. */
export async function send(copies: readonly Copy[], port: number): Promise<void> {
  for (let at = 0; at < copies.length; at += 20) {
    let polls = 0;
    await sendOverUdp(copies.slice(at, at + 20), "127.0.0.1", port, () => (polls++ === 0 ? 0 : 20));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
