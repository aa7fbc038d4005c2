import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { OperationalError } from "../runtime/errors.ts";

/** What is kept of what nft says. */
const MAX_SAID = 4096;
/** nft answers at once, or not at all. */
const PATIENCE_MS = 5000;

/**
 * A rule of the kernel's that drops packets which arrive on one interface, before IP looks at them: what a packet ring
 * has taken climbs the stack for nothing. The rule stands in a table of its own, `rejoin-INTERFACE`, which belongs to
 * an nft that runs as long as this process (`flags owner`, nft(8)): the kernel removes it with that, however it ends.
 */
export class IngressDrop {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly name: string;
  private said = "";
  private heard: () => void = () => {};
  private ended = false;
  private readonly gone: Promise<void>;

  private constructor(name: string) {
    this.name = name;
    // A process group of its own, or a Ctrl-C at the terminal would end it before the ring was emptied. Errors and answers
    // in one pipe stay in order.
    this.child = spawn("sh", ["-c", "exec nft -i 2>&1"], { stdio: ["pipe", "pipe", "ignore"], detached: true });
    this.gone = new Promise((resolve) => {
      const end = (): void => {
        this.ended = true;
        this.heard();
        resolve();
      };
      this.child.on("error", (error) => {
        this.hear(error.message);
        end();
      });
      this.child.on("close", end);
    });
    this.child.stdin.on("error", () => {}); // it has ended: `gone` tells
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => this.hear(text));
  }

  /**
   * Installs the rule for packets that match any of these expressions of nft(8). Rejects with an OperationalError that
   * repeats what nft said.
   */
  static async install(interfaceName: string, matches: readonly string[]): Promise<IngressDrop> {
    if (!/^[\w.@-]+$/.test(interfaceName)) {
      throw new OperationalError("nft", `nft cannot be told of an interface named ${interfaceName}; rename it`);
    }
    const drop = new IngressDrop(interfaceName);
    const table = `netdev rejoin-${interfaceName.replaceAll("@", "_")}`;
    const rules = matches.map((match) => `${match} drop; `).join("");
    const hook = `type filter hook ingress device "${interfaceName}" priority 0; policy accept;`;
    drop.child.stdin.write(`add table ${table} { flags owner; chain ingress { ${hook} ${rules}}; }\n`);
    // nft says nothing where all went well: the table is asked for.
    drop.child.stdin.write(`list table ${table}\n`);
    const timer = setTimeout(() => drop.child.kill("SIGKILL"), PATIENCE_MS);
    while (!drop.ended && !/Error.*\n|chain ingress/.test(drop.said)) {
      await new Promise<void>((resolve) => {
        drop.heard = resolve;
      });
    }
    clearTimeout(timer);
    if (!drop.ended && !drop.said.includes("Error")) return drop;
    const failure = drop.failure();
    await drop.remove();
    throw failure;
  }

  /** Resolves when the rule is no more, whoever ended it. */
  get removed(): Promise<void> {
    return this.gone;
  }

  /** Removes the rule. */
  async remove(): Promise<void> {
    this.child.stdin.end();
    await this.gone;
  }

  private hear(text: string): void {
    this.said = (this.said + text).slice(-MAX_SAID);
    this.heard();
  }

  private failure(): OperationalError {
    const said = /Error:[^\n]*/.exec(this.said)?.[0] ?? this.said.trim().split("\n")[0];
    const advice = /not found/.test(this.said)
      ? "; it is not installed"
      : /permitted/i.test(this.said)
        ? "; it needs root or the capability CAP_NET_ADMIN, and no other collector that has such a rule there"
        : "";
    return new OperationalError(
      "nft",
      `no rule that drops packets on ${this.name}: nft: ${said || "no answer"}${advice}`,
    );
  }
}
