import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { needs, titled } from "../support/requirements.ts";
import type { CpuAccount } from "./cpu-account.ts";

const ACCOUNT = new URL("../../dist/test/bench/cpu-account.js", import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), "rejoin-cpu-account-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** 100 ms of the main thread, and 200 ms of another. */
const PROGRAM = `
const { Worker } = require("node:worker_threads");
const busy = (ms) => { while (process.cpuUsage().user < ms * 1000); };
busy(100);
new Worker("const { user } = process.cpuUsage(); while (process.cpuUsage().user < user + 200000);", { eval: true });
`;

const reason = needs("Linux");
it.skipIf(reason)(titled("tells what all threads of a process took, and what its main one", reason), () => {
  const program = join(folder, "program.cjs");
  writeFileSync(program, PROGRAM);
  const profiles = join(folder, "profiles");
  execFileSync(process.execPath, ["--cpu-prof", `--cpu-prof-dir=${profiles}`, `--import=${ACCOUNT}`, program, "word"]);
  const files = readdirSync(profiles);
  const [file = ""] = files.filter((name) => name.endsWith(".json"));
  const account = JSON.parse(readFileSync(join(profiles, file), "utf8")) as CpuAccount;
  const { pid, command, allMicros, mainMicros, profilerMicros } = account;
  expect(command).toBe(`${program} word`);
  // One account of the process, and a profile of each thread, by its number.
  expect(files.filter((name) => name.includes(`.${pid}.`)).map((name) => name.split(".")[4])).toEqual(["0", "1"]);
  expect(mainMicros).toBeGreaterThan(50_000);
  expect(profilerMicros).toBeGreaterThan(0);
  expect(allMicros - mainMicros - profilerMicros).toBeGreaterThan(150_000);
});
