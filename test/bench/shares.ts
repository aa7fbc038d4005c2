import type { CpuAccount } from "./cpu-account.ts";
import { type CpuProfile, IDLE, ownMicros, type ProfileNode } from "./flame-graph.ts";
import { roomOf } from "./rooms.ts";

/** A part of a whole, in percent of it. */
interface Share {
  readonly what: string;
  readonly percent: number;
}

/** Where the processor time of a process went. */
export interface Shares {
  /** All that is divided. */
  readonly seconds: number;
  /** What other threads, V8's and libuv's, took of the whole process; 0 where the kernel does not tell. */
  readonly threadSeconds: number;
  /** By room, the largest first; those of less than a percent in one. */
  readonly rooms: readonly Share[];
  /** Functions in which themselves most was spent, with their files. */
  readonly functions: readonly Share[];
}

/**
 * Where a function is written, by line and column from 0: below the repository's root, or in Node; null where V8 names no
 * file.
 */
export type SourceOf = (url: string, line: number, column: number) => string | null;

const FUNCTIONS = 6;
const LEAST_PERCENT = 1;
const OTHER_THREADS = "other threads: V8's compiler and garbage collector, libuv's";
const REST = "all else";
const NATIVE = "(program)";
const NO_FUNCTIONS: ReadonlySet<string> = new Set([NATIVE, "(root)", "(garbage collector)"]);

/** A function with the microseconds spent in it. */
interface Spent {
  readonly name: string;
  readonly source: string | null;
  readonly micros: number;
}

/**
 * Divides a process's processor time. A profile's times are those of a clock, which goes on while the thread waits for a
 * processor: they are cut down to what the scheduler counted. What that counted and the profile does not explain was native
 * code on the main thread, and the threads of V8 and libuv beside it.
 *
 * @param profiles of the process's threads, the main one first
 * @param within functions: only what one of the last's name does, called by one of the name before it, and so on, of the
 *   main thread only; empty for the whole process
 * @throws Error where there is nothing to divide
 */
export function sharesOf(
  profiles: readonly CpuProfile[],
  { allMicros, mainMicros, profilerMicros }: CpuAccount,
  sourceOf: SourceOf,
  within: readonly string[] = [],
): Shares {
  const [main, ...workers] = profiles;
  if (main === undefined) throw new Error("there is no profile of the main thread");
  const all = spentIn(main, sourceOf, []);
  const sampled = sum(all) + nativeMicros(main);
  const known = mainMicros || sampled;
  const scale = Math.min(1, known / sampled);
  const others = mainMicros === 0 ? 0 : Math.max(0, allMicros - mainMicros - profilerMicros);
  const worked = workers.flatMap((profile) => spentIn(profile, sourceOf, []));
  const workerScale = Math.min(1, others / sum(worked) || 0);
  const threads = others - sum(worked) * workerScale;
  if (within.length > 0) {
    const part = scaled(spentIn(main, sourceOf, within), scale);
    if (sum(part) === 0) throw new Error(`the profile has nothing below ${within.join(", ")}`);
    return { ...divided(part, 0), threadSeconds: threads / 1e6 };
  }
  const native = { name: NATIVE, source: null, micros: known - sum(all) * scale };
  const spent = [...scaled(all, scale), ...scaled(worked, workerScale), native];
  return { ...divided(spent, threads), threadSeconds: threads / 1e6 };
}

function divided(spent: readonly Spent[], threads: number): Omit<Shares, "threadSeconds"> {
  const micros = sum(spent) + threads;
  const percents = (parts: ReadonlyMap<string, number>): Share[] =>
    [...parts]
      .map(([what, part]) => ({ what, percent: (100 * part) / micros }))
      .toSorted((a, b) => b.percent - a.percent);
  const rooms = percents(byName(spent, ({ source, name }) => roomOf(source, name)));
  const large = rooms.filter(({ percent }) => percent >= LEAST_PERCENT);
  const threadPercent = (100 * threads) / micros;
  const rest = 100 - threadPercent - large.reduce((all, { percent }) => all + percent, 0);
  const written = spent.filter(({ name }) => !NO_FUNCTIONS.has(name));
  return {
    seconds: micros / 1e6,
    rooms: [
      ...large,
      ...(rest > 0.05 ? [{ what: REST, percent: rest }] : []),
      ...(threads > 0 ? [{ what: OTHER_THREADS, percent: threadPercent }] : []),
    ],
    functions: percents(byName(written, ({ name, source }) => `\`${name}\`, ${source ?? "Node"}`)).slice(0, FUNCTIONS),
  };
}

function byName(spent: readonly Spent[], nameOf: (one: Spent) => string): Map<string, number> {
  const parts = new Map<string, number>();
  for (const one of spent) parts.set(nameOf(one), (parts.get(nameOf(one)) ?? 0) + one.micros);
  return parts;
}

/** What each function took itself, without what was idle or native; with `within`, below calls of these names only. */
function spentIn(profile: CpuProfile, sourceOf: SourceOf, within: readonly string[]): Spent[] {
  const own = ownMicros(profile);
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const spent: Spent[] = [];
  const visit = (node: ProfileNode, found: number): void => {
    const { functionName, url, lineNumber, columnNumber } = node.callFrame;
    const reached = functionName === within[found] ? found + 1 : found;
    const micros = own.get(node.id) ?? 0;
    if (reached === within.length && micros > 0 && !IDLE.has(functionName)) {
      spent.push({ name: functionName || "(anonymous)", source: sourceOf(url, lineNumber, columnNumber), micros });
    }
    for (const id of node.children ?? []) {
      const child = byId.get(id);
      if (child !== undefined) visit(child, reached);
    }
  };
  const [root] = profile.nodes;
  if (root !== undefined) visit(root, 0);
  return spent;
}

/** What V8 saw of native code under which was no JavaScript. */
function nativeMicros(profile: CpuProfile): number {
  const own = ownMicros(profile);
  return profile.nodes
    .filter(({ callFrame }) => callFrame.functionName === NATIVE)
    .reduce((all, { id }) => all + (own.get(id) ?? 0), 0);
}

const sum = (spent: readonly Spent[]): number => spent.reduce((all, { micros }) => all + micros, 0);
const scaled = (spent: readonly Spent[], by: number): Spent[] =>
  spent.map((one) => ({ ...one, micros: one.micros * by }));
