import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/** What the kernel takes as one argument of a program (MAX_ARG_STRLEN), with room to spare. */
export const MAX_SCRIPT_OCTETS = 120_000;

/** What a word came to. */
export interface Outcome {
  readonly isWell: boolean;
  /** Lines that it printed. */
  readonly lines: readonly string[];
}

interface Question {
  readonly lines: string[];
  readonly resolve: (outcome: Outcome) => void;
}

/**
 * A shell that runs a mirror's script for this process. It is a process group of its own and removes the mirror when this
 * process ends, however that ends: it reads words from a pipe, and the end of the pipe is the end of the mirror.
 */
export class RuleKeeper {
  private readonly script: string;
  private readonly name: string;
  private child: ChildProcessByStdio<Writable, Readable, null> | null = null;
  private asked: Question[] = [];

  /** `name` is what the shell is called in a list of processes. */
  constructor(script: string, name: string) {
    this.script = script;
    this.name = name;
  }

  /** Has the script do something. A keeper that was killed in the meantime is replaced. Never rejects. */
  ask(word: "start" | "check" | "counts"): Promise<Outcome> {
    return new Promise((resolve) => {
      const child = this.running();
      this.asked.push({ lines: [], resolve });
      child.stdin.write(`${word}\n`);
    });
  }

  /** Has the mirror removed, and resolves when it is. */
  end(): Promise<Outcome> {
    return new Promise((resolve) => {
      const child = this.running();
      this.asked.push({ lines: [], resolve });
      child.stdin.end();
    });
  }

  private running(): ChildProcessByStdio<Writable, Readable, null> {
    if (this.child !== null) return this.child;
    const words = ["-c", this.script, this.name, "keep", String(process.pid)];
    // Detached, or a Ctrl-C at the terminal would end it with this process.
    const child = spawn("sh", words, { stdio: ["pipe", "pipe", "ignore"], detached: true });
    this.child = child;
    let last: number | null = null;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [, status] = /^status (\d+)$/.exec(line) ?? [];
      if (status === undefined) this.asked[0]?.lines.push(line);
      else this.answer(status === "0");
    });
    // A keeper that is gone answers nothing more; its end tells.
    child.stdin.on("error", () => {});
    child.on("error", (error) => {
      this.asked[0]?.lines.push(`cannot run sh: ${error.message}`);
      this.gone(child, false);
    });
    child.on("exit", (code) => {
      last = code;
    });
    child.on("close", () => this.gone(child, last === 0));
    return child;
  }

  private answer(isWell: boolean): void {
    const question = this.asked.shift();
    question?.resolve({ isWell, lines: question.lines });
  }

  private gone(child: ChildProcessByStdio<Writable, Readable, null>, isWell: boolean): void {
    if (this.child !== child) return;
    this.child = null;
    while (this.asked.length > 0) this.answer(isWell);
  }
}
