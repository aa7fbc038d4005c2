import { fileURLToPath } from "node:url";
import { measure, measureNode, type Run } from "./measure.ts";

/** The settings of V8 that `collectors/main.ts` makes for the command line. */
export const V8_SETTINGS = ["--max-inlined-bytecode-size-cumulative=300", "--no-turbo-inline-array-builtins"];

type ProgramName = "put-together" | "feed" | "hand-over";

/** Runs a program of test/bench/programs, bundled as the command line is (rolldown.config.mjs), with its settings of V8. */
export function runProgram(name: ProgramName, ...args: readonly string[]): Run {
  return measureNode(wordsOf(name, args));
}

/** The same without a profile, also where rows are run for one. */
export function runUnprofiled(name: ProgramName, ...args: readonly string[]): Run {
  return measure(process.execPath, wordsOf(name, args));
}

function wordsOf(name: ProgramName, args: readonly string[]): string[] {
  return [...V8_SETTINGS, fileURLToPath(new URL(`bundle/${name}.js`, import.meta.url)), ...args];
}
