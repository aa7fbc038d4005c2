import { fileURLToPath } from "node:url";
import { measureNode, type Run } from "./measure.ts";
import { NODE_FLAGS } from "./profile.ts";
import { TurnProgram } from "./turns.ts";

/** The settings of V8 that `collectors/main.ts` makes for the command line. */
const V8_SETTINGS = ["--max-inlined-bytecode-size-cumulative=300", "--no-turbo-inline-array-builtins"];

type ProgramName = "put-together" | "feed" | "hand-over" | "deliver" | "send";

/** Runs a program of test/bench/programs, bundled as the command line is (rolldown.config.mjs), with its settings of V8. */
export const runProgram = (name: ProgramName, ...args: readonly string[]): Run => measureNode(wordsOf(name, args));

/** Starts one that takes turns. */
export const turnProgram = (name: ProgramName, ...args: readonly string[]): TurnProgram =>
  new TurnProgram(process.execPath, [...NODE_FLAGS, ...wordsOf(name, args)]);

/** The same on a core of its own. */
export const pinnedProgram = (core: number, name: ProgramName, ...args: readonly string[]): TurnProgram =>
  new TurnProgram("taskset", ["-c", String(core), process.execPath, ...NODE_FLAGS, ...wordsOf(name, args)]);

/** One that takes turns without a profile, also where rows are run for one. */
export const unprofiled = (name: ProgramName, ...args: readonly string[]): TurnProgram =>
  new TurnProgram(process.execPath, wordsOf(name, args));

/** What Node is told to run such a program. */
export function wordsOf(name: ProgramName, args: readonly string[]): string[] {
  return [...V8_SETTINGS, fileURLToPath(new URL(`bundle/${name}.js`, import.meta.url)), ...args];
}
