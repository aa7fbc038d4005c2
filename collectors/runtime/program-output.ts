import { spawn } from "node:child_process";

/** What a program said, and how it ended. */
export interface ProgramOutput {
  readonly stdout: string;
  readonly stderr: string;
  /** Its exit status, the signal that ended it, or why it could not be started (`ENOENT`). */
  readonly end: number | string;
  /** Null where it ended by itself; otherwise which bound it met. */
  readonly cut: "time" | "size" | null;
}

/** Of each of its outputs; whoever says more is ended. */
const MAX_CHARACTERS = 1024 * 1024;

/**
 * Runs a program without input, for at most `limitMs`. Then it is ended with all that it started in its process group, by a
 * signal that none can ignore; what left the group is not waited for. Never rejects.
 */
export function programOutput(program: string, args: readonly string[], limitMs: number): Promise<ProgramOutput> {
  return new Promise((resolve) => {
    // A process group of its own is what a signal reaches as a whole.
    const child = spawn(program, args, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const said = { stdout: "", stderr: "" };
    let cut: ProgramOutput["cut"] = null;
    const kill = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // Nobody is left of it.
      }
    };
    const done = (end: ProgramOutput["end"]): void => {
      clearTimeout(timer);
      process.off("exit", kill);
      resolve({ ...said, end, cut });
    };
    const stop = (bound: NonNullable<ProgramOutput["cut"]>): void => {
      cut ??= bound;
      kill();
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const timer = setTimeout(() => stop("time"), limitMs);
    process.once("exit", kill);
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        said[name] += text;
        if (said[name].length > MAX_CHARACTERS) stop("size");
      });
    }
    child.once("error", (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    child.once("close", (code, signal) => done(code ?? signal ?? "nothing"));
  });
}
