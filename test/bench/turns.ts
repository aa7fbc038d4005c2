import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { ROUNDS } from "./measure.ts";

/** A program of the bench that does a part of its work each time it is told to, and prints a line of JSON of it. */
export class TurnProgram {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly lines: AsyncIterator<string>;
  private readonly exited: Promise<unknown>;

  constructor(program: string, words: readonly string[]) {
    this.child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
    // Of one that has failed `turn` says so.
    this.child.stdin.on("error", () => {});
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.exited = once(this.child, "exit");
  }

  /** Has it do its next part. Returns what it says of it; throws when it ends without a word. */
  async turn<Result>(): Promise<Result> {
    this.child.stdin.write("\n");
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.child.spawnargs.join(" ").slice(0, 200)} has failed`);
    return JSON.parse(value) as Result;
  }

  /** Tells it that there are no more, and waits for its end. */
  async end(): Promise<void> {
    this.child.stdin.end();
    await this.exited;
  }
}

/**
 * Has programs do parts of their work in turn, ROUNDS times each, so that a slower minute of the machine meets them all.
 * What each said of its parts, in the order of the programs.
 */
export async function inTurn<Result>(
  programs: readonly TurnProgram[],
  tell: (program: number, result: Result) => void,
): Promise<Result[][]> {
  const results = programs.map((): Result[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, program] of programs.entries()) {
      const result = await program.turn<Result>();
      results[i]?.push(result);
      tell(i, result);
    }
  }
  return results;
}
