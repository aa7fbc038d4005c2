import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import {
  type ConfigurationOf,
  jsonSchemaOfProgram,
  leavesOf,
  PROGRAMS,
  type ProgramName,
} from "../../schema/configuration/programs.ts";
import type { ConfigurationFault } from "../../schema/configuration/values.ts";
import { keyText } from "./configuration-fault.ts";
import { OperationalError } from "./errors.ts";

/** What a configuration that is read anew changes in one that is in use. */
export interface Change<P extends ProgramName> {
  /** What is in use from now on. */
  readonly values: ConfigurationOf<P>;
  /** Keys that have other values now. */
  readonly changed: readonly string[];
  /** Keys that would have, and that only a restart can change. */
  readonly waiting: readonly string[];
}

/** Takes over what may change while a program runs. Throws an OperationalError where that would contradict what may not. */
export function changeOf<P extends ProgramName>(
  program: P,
  current: ConfigurationOf<P>,
  next: ConfigurationOf<P>,
): Change<P> {
  const changed: string[] = [];
  const waiting: string[] = [];
  const values = structuredClone(current);
  for (const path of leavesOf(jsonSchemaOfProgram(program))) {
    const value = at(next, path);
    if (isDeepStrictEqual(value, at(current, path))) continue;
    const key = keyText(path);
    if (!PROGRAMS[program].changeable.some((one) => key === one || key.startsWith(`${one}.`))) {
      waiting.push(key);
      continue;
    }
    changed.push(key);
    const last = path.at(-1);
    if (last !== undefined) (at(values, path.slice(0, -1)) as Record<string, unknown>)[last] = value;
  }
  const faults = PROGRAMS[program].faults as (values: ConfigurationOf<P>) => ConfigurationFault[];
  const [fault] = faults(values);
  if (fault !== undefined) {
    const held = `${waiting.join(", ")} ${waiting.length === 1 ? "waits" : "wait"} for a restart`;
    throw new OperationalError("CONFIGURATION", `${held}, and without: ${keyText(fault.path)}: ${fault.message}`);
  }
  return { values, changed, waiting };
}

/**
 * Reads the configuration anew on each SIGHUP, and hands on what may change; the log's level it changes itself. What is
 * wrong with it, and what only a restart can change, is a line in the log; no value is. `apply` rejects with an
 * OperationalError where nothing can be taken over: all is as it was then, and the next SIGHUP tries again.
 */
export function reloadOnHangup<P extends Exclude<ProgramName, "consumer">>(
  program: P,
  current: ConfigurationOf<P>,
  load: () => ConfigurationOf<P>,
  apply: (values: ConfigurationOf<P>) => Promise<void> | void,
  log: Pick<Logger, "info" | "warn" | "error" | "level">,
): void {
  let inUse = current;
  const reload = async (): Promise<void> => {
    try {
      const { values, changed, waiting } = changeOf(program, inUse, load());
      await apply(values);
      inUse = values;
      // What may be silenced by it is said before.
      log.info(`SIGHUP: ${changed.length === 0 ? "nothing to take over" : `taken over: ${changed.join(", ")}`}`);
      if (waiting.length > 0) log.warn(`SIGHUP: changes at the next start only: ${waiting.join(", ")}`);
      log.level = values.log.level;
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      log.error(`SIGHUP: the configuration stays as it was: ${error.message}`);
    }
  };
  // One after the other: each begins with what the one before left in use.
  let last = Promise.resolve();
  process.on("SIGHUP", () => {
    last = last.then(reload);
  });
}

function at(values: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((below, step) => (below as Record<string, unknown> | undefined)?.[step], values);
}
