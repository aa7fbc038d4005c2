import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Network, type NodeProcess, stop } from "../lab/network.ts";
import { holdAccount } from "./account.ts";

/** The command line as it is installed: the build, not the sources. */
export const REJOIN = fileURLToPath(new URL("../../dist/bin/rejoin.js", import.meta.url));
const PATIENCE_MS = 30_000;

/** One line of a program's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

/** `rejoin VERB ...` running in a node of the lab. */
export class Program {
  /** Standard error so far. */
  errors = "";
  /** Standard output so far. */
  output = "";
  private readonly child: NodeProcess;
  private readonly what: string;

  constructor(network: Network, node: string, ...args: readonly string[]) {
    this.what = `rejoin ${args.join(" ")}`;
    this.child = network.spawn(node, process.execPath, [REJOIN, ...args]);
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.errors += text;
    });
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.output += text;
    });
  }

  /** Waits until the log says something. Throws when the program ends or too much time passes before. */
  async says(pattern: RegExp): Promise<void> {
    const end = Date.now() + PATIENCE_MS;
    while (!pattern.test(this.errors)) {
      const status = this.child.exitCode ?? this.child.signalCode;
      if (status !== null) throw new Error(`${this.what} ended with ${status}: ${this.errors}`);
      if (Date.now() > end) throw new Error(`${this.what} did not say ${pattern}: ${this.errors}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Waits for the program to end by itself, with an account that adds up, and returns its exit status. */
  async ended(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, "close");
    holdAccount(this.errors);
    return this.child.exitCode;
  }

  /** Sends it a signal, whatever it does with that. */
  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Asks it to end (SIGTERM) and returns its exit status. */
  async stop(): Promise<number | null> {
    const status = await stop(this.child);
    holdAccount(this.errors);
    return status;
  }

  /** The last line of the log whose message matches. Throws when there is none. */
  logged(message: RegExp): LogLine {
    const lines = this.errors
      .split("\n")
      .flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as LogLine] : []));
    const found = lines.findLast(({ msg }) => message.test(msg));
    if (found === undefined) throw new Error(`${this.what} did not log ${message}: ${this.errors}`);
    return found;
  }
}
