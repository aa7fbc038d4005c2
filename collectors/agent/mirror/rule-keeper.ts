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

/** nft, tc and ip answer within seconds, or not at all. */
const PATIENCE_MS = 30_000;

type Word = "start" | "check" | "counts" | "end";

interface Question {
  readonly word: Word;
  readonly outcome: Promise<Outcome>;
  readonly lines: string[];
  readonly timer: NodeJS.Timeout;
  readonly resolve: (outcome: Outcome) => void;
}

/**
 * A shell that runs a mirror's script for this process. It is a process group of its own and removes the mirror when this
 * process ends, however that ends: it reads words from a pipe, and the end of the pipe is the end of the mirror.
 */
export class RuleKeeper {
  private readonly script: string;
  private readonly name: string;
  private readonly patienceMs: number;
  private child: ChildProcessByStdio<Writable, Readable, null> | null = null;
  /** One of each word at most: what is asked already is not asked again. */
  private asked: Question[] = [];

  /** `name` is what the shell is called in a list of processes. */
  constructor(script: string, name: string, patienceMs = PATIENCE_MS) {
    this.script = script;
    this.name = name;
    this.patienceMs = patienceMs;
  }

  /**
   * Has the script do something. A keeper that was killed in the meantime, or does not answer in time, is replaced. Never
   * rejects.
   */
  ask(word: "start" | "check" | "counts"): Promise<Outcome> {
    return this.question(word, (child) => child.stdin.write(`${word}\n`));
  }

  /** Has the mirror removed, and resolves when it is, or when there was no answer in time. */
  end(): Promise<Outcome> {
    return this.question("end", (child) => child.stdin.end());
  }

  private question(word: Word, put: (child: ChildProcessByStdio<Writable, Readable, null>) => void): Promise<Outcome> {
    const pending = this.asked.find((question) => question.word === word);
    if (pending !== undefined) return pending.outcome;
    const child = this.running();
    let resolve: Question["resolve"] = () => {};
    const outcome = new Promise<Outcome>((settle) => {
      resolve = settle;
    });
    const timer = setTimeout(() => this.giveUp(child), this.patienceMs);
    this.asked.push({ word, outcome, lines: [], timer, resolve });
    put(child);
    return outcome;
  }

  private running(): ChildProcessByStdio<Writable, Readable, null> {
    if (this.child !== null) return this.child;
    const words = ["-c", this.script, this.name, "keep", String(process.pid)];
    // Detached, or a Ctrl-C at the terminal would end it with this process.
    const child = spawn("sh", words, { stdio: ["pipe", "pipe", "ignore"], detached: true });
    this.child = child;
    let last: number | null = null;
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (this.child !== child) return;
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
    if (question === undefined) return;
    clearTimeout(question.timer);
    question.resolve({ isWell, lines: question.lines });
  }

  /** Ends a keeper in which something hangs. */
  private giveUp(child: ChildProcessByStdio<Writable, Readable, null>): void {
    this.asked[0]?.lines.push(
      `no answer in ${this.patienceMs / 1000} s: nft, tc or ip hangs; the kernel's log may say why`,
    );
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // Root's, and this process is another user by now: the end of the pipe is its end, when it goes on.
    }
    child.stdin.destroy();
    child.stdout.destroy();
    child.unref();
    this.gone(child, false);
  }

  private gone(child: ChildProcessByStdio<Writable, Readable, null>, isWell: boolean): void {
    if (this.child !== child) return;
    this.child = null;
    while (this.asked.length > 0) this.answer(isWell);
  }
}
