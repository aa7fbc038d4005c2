import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { programOutput } from "../../collectors/runtime/program-output.ts";

const shell = (script: string, limitMs = 10_000) => programOutput("sh", ["-c", script], limitMs);

/** Whether a process lives on for 2 s. One that ended and is never asked for, as under some containers' init, does not. */
async function lives(pid: number): Promise<boolean> {
  for (const endMs = Date.now() + 2000; Date.now() < endMs; await sleep(10)) {
    try {
      process.kill(pid, 0);
      if (/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"))) return false;
    } catch {
      return false;
    }
  }
  return true;
}

describe("a program that is run", () => {
  it("is told with what it printed and how it ended", async () => {
    expect(await shell("echo out; echo err >&2; exit 3")).toEqual({
      ...{ stdout: "out\n", stderr: "err\n", end: 3, cut: null },
    });
    expect(await programOutput("/no/program", [], 10_000)).toMatchObject({ end: "ENOENT", cut: null });
    expect(await shell("kill -KILL $$")).toMatchObject({ end: "SIGKILL", cut: null });
  });

  it("is ended in time with all that it started, whatever signal these ignore", async () => {
    const script = `trap "" TERM; sh -c 'trap "" TERM; while :; do sleep 1; done' & echo $! $$; wait`;
    const beganMs = Date.now();
    const { stdout, cut } = await shell(script, 1500);
    expect([cut, Date.now() - beganMs < 5000]).toEqual(["time", true]);
    const pids = stdout.trim().split(" ").map(Number);
    expect(pids).toHaveLength(2);
    // This process lives: where nothing can be told of any, as without /proc, that shows.
    expect(await Promise.all([...pids, process.pid].map(lives))).toEqual([false, false, true]);
  });

  it("is waited for no longer where something left its group and holds its output", async () => {
    const beganMs = Date.now();
    expect(await shell("setsid sleep 7 & echo token", 300)).toMatchObject({ stdout: "token\n", cut: "time" });
    expect(Date.now() - beganMs).toBeLessThan(5000);
  });

  it("is ended when it prints without end", async () => {
    const { stdout, cut } = await shell("exec yes");
    expect([cut, stdout.length < 4 << 20]).toEqual(["size", true]);
  });
});
