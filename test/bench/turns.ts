import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { ROUNDS } from "./measure.ts";

/** A program of the bench that does a part of its work each time it is told to, and prints a line of JSON of it. */
export class TurnProgram {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly lines: AsyncIterator<string>;
  private readonly exited: Promise<number | null>;

  constructor(program: string, words: readonly string[]) {
    this.child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
    // Of one that has failed, or could not be started, `turn` and `end` say so.
    this.child.stdin.on("error", () => {});
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.exited = new Promise((resolve) => {
      this.child.once("exit", resolve).once("error", () => resolve(null));
    });
  }

  /** Has it do its next part. Returns what it says of it; throws when it ends without a word. */
  async turn<Result>(): Promise<Result> {
    this.child.stdin.write("\n");
    const { value, done } = await this.lines.next();
    if (done) throw this.failure();
    return JSON.parse(value) as Result;
  }

  /** Tells it that there are no more, and waits for its end. Throws when that is not a good one. */
  async end(): Promise<void> {
    this.child.stdin.end();
    if ((await this.exited) !== 0) throw this.failure();
  }

  /** Ends it where it still runs. */
  async close(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }

  private failure(): Error {
    return new Error(`${this.child.spawnargs.join(" ").slice(0, 200)} has failed`);
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
