import { fileURLToPath } from "node:url";
import { measureNode, type Run } from "./measure.ts";

/** The settings of V8 that `collectors/main.ts` makes for the command line. */
export const V8_SETTINGS = ["--max-inlined-bytecode-size-cumulative=300", "--no-turbo-inline-array-builtins"];

/** Runs a program of test/bench/programs, bundled as the command line is (rolldown.config.mjs), with its settings of V8. */
export function runProgram(name: "put-together" | "feed", ...args: readonly string[]): Run {
  const path = fileURLToPath(new URL(`bundle/${name}.js`, import.meta.url));
  return measureNode([...V8_SETTINGS, path, ...args]);
}
