import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Pipeline, type Totals } from "../../../src/pipeline.ts";
import { SEGMENT_OCTETS } from "../conversation.ts";
import { type HeldMemory, heldMemory } from "../live/held-memory.ts";
import { LiveSessions } from "../live/live-sessions.ts";
import { FeedingWindow } from "../live/window.ts";
import type { LiveResult, LiveTurn, LiveWorkload, Pauses } from "../live/workload.ts";
import { Pieces } from "../pieces.ts";
import { coprimeStride, Random } from "../random.ts";
import { differencesOf } from "../result.ts";

/** A run of the garbage collector, as Node tells of it. */
type Collection = PerformanceEntry & { readonly detail: { readonly flags: number; readonly kind?: number } };

/** V8 marks by it a collection that somebody asked for. */
const FORCED = 4;
const KINDS: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, "scavenge"],
  [constants.NODE_PERFORMANCE_GC_MAJOR, "mark-compact"],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, "incremental marking"],
]);

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const workload = JSON.parse(process.argv[2] ?? "") as LiveWorkload;
/** Whether somebody asks what memory consists of, which takes some. */
const isTakenApart = process.argv[3] === "--tables";
const random = new Random(workload.seed);
const pieces = new Pieces(random);
const live = new LiveSessions(workload, random);
const pipeline = new Pipeline({
  observer: { name: "bench", version: "0" },
  ...{ agents: null, partial: false, revisions: "ended", digest: false, octets: null, record: null },
  // Room for a million sessions of 2.5 subflows; memory is taken as they come.
  bounds: { sessions: 2 ** 20, subflows: 2 ** 22 },
  hashSeed: workload.seed,
});
const feeding = new FeedingWindow(pipeline, pieces);

let longestPauseMs = 0;
const byKind: Record<string, Pauses> = {};
const takePauses = (entries: PerformanceEntry[]): void => {
  for (const { duration, detail } of entries as Collection[]) {
    if ((detail.flags & FORCED) !== 0) continue;
    longestPauseMs = Math.max(longestPauseMs, duration);
    const kind = KINDS.get(detail.kind ?? 0) ?? "other collection";
    const { count, allMs, longestMs } = byKind[kind] ?? { count: 0, allMs: 0, longestMs: 0 };
    byKind[kind] = { count: count + 1, allMs: allMs + duration, longestMs: Math.max(longestMs, duration) };
  }
};
const pauses = new PerformanceObserver((list) => takePauses(list.getEntries()));
pauses.observe({ entryTypes: ["gc"] });

/** Lets the subflows of sessions that were set up send the first rounds. */
async function begin(from: number, to: number): Promise<void> {
  const first = live.firstSubflow(from);
  const count = live.firstSubflow(to) - first;
  for (let round = 0; round < workload.firstRounds && count > 0; round++) sendRound(round, first, count);
  await setImmediate();
}

function setUpSessions(from: number, to: number): void {
  for (let session = from; session < to; session++) live.setUp(session, feeding);
  feeding.flush();
}

// This one and `turn` are what `fedBy` of live/feeding.ts finds in a profile, by their names.
/** Sets the sessions up whose handshakes are measured. Returns the microseconds. */
function setUpMeasured(): number {
  feeding.spentMicros = 0;
  setUpSessions(workload.sessionsBefore, workload.sessions);
  return feeding.spentMicros;
}

function sendRound(round: number, first: number, count: number): void {
  const stride = coprimeStride(count, random);
  let at = random.below(count);
  for (let i = 0; i < count; i++) {
    live.send(first + at, round, feeding);
    at = (at + stride) % count;
  }
  feeding.flush();
}

/** Lets all subflows send the rounds of a turn. */
function turn(number: number): LiveTurn {
  const { firstRounds, turnRounds } = workload;
  const before = feeding.packets;
  feeding.spentMicros = 0;
  for (let i = 0; i < turnRounds; i++) sendRound(firstRounds + number * turnRounds + i, 0, live.subflows);
  return { seconds: feeding.spentMicros / 1e6, packets: feeding.packets - before };
}

/** Octets that the process, V8's heap and arrays outside of it take once all garbage is gone. */
function memory(): NodeJS.MemoryUsage {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage();
}

function differences(totals: Totals): string[] {
  const { sessions } = workload;
  const joined = live.subflows - sessions;
  const rounds = workload.firstRounds + workload.turns * workload.turnRounds;
  const octets = [Math.floor(rounds / 2), Math.ceil(rounds / 2)].map((sent) => sent * live.subflows * SEGMENT_OCTETS);
  const [fromInitiators = 0, fromResponders = 0] = octets;
  return differencesOf([
    ["packets", feeding.packets, totals.packetsIn],
    ["packets counted", feeding.packets, totals.packets["session/counted"]],
    ["sessions", sessions, totals.sessions.ended],
    ["initial subflows", sessions, totals.subflows.initial],
    ["joined subflows", joined, totals.subflows.joined],
    ["join HMACs verified", 2 * joined, totals.verdicts["join-hmac"]?.verified],
    ["octets of initiators", fromInitiators, totals.octets.initiator],
    ["octets of responders", fromResponders, totals.octets.responder],
    // All of them: packets have headers alone. Before mappings are full there are holes besides.
    ...(rounds % 8 === 0 ? [["octets missing", fromInitiators + fromResponders, totals.octets.missing] as const] : []),
  ]);
}

function tell(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

function growthOf(earlier: HeldMemory, later: HeldMemory): Record<string, number> {
  return Object.fromEntries([...later].map(([table, octets]) => [table, octets - (earlier.get(table) ?? 0)]));
}

const orders = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Waits until somebody wants more: all set up, each turn, the end. The process ends when nobody is there any more. */
async function order(): Promise<void> {
  if ((await orders.next()).done) process.exit();
}

await order();
setUpSessions(0, workload.sessionsBefore);
await begin(0, workload.sessionsBefore);
const before = memory();
const heldBefore = isTakenApart ? heldMemory(pipeline) : null;
const setUpMicros = setUpMeasured();
await begin(workload.sessionsBefore, workload.sessions);
const after = memory();
const growth = heldBefore === null ? {} : growthOf(heldBefore, heldMemory(pipeline));
tell({});
for (let number = 0; number < workload.turns; number++) {
  await order();
  tell(turn(number));
}
await order();
takePauses(pauses.takeRecords());
feeding.spentMicros = 0;
const isAlive = pipeline.totals().sessions.live === workload.sessions;
feeding.time(() => pipeline.finish("end-of-input"));
tell({
  setUpSeconds: setUpMicros / 1e6,
  endSeconds: feeding.spentMicros / 1e6,
  residentGrowth: after.rss - before.rss,
  heapRoomGrowth: after.heapTotal - before.heapTotal,
  heapGrowth: after.heapUsed - before.heapUsed,
  arrayGrowth: after.arrayBuffers - before.arrayBuffers,
  tableGrowth: growth,
  longestPauseMs,
  pauses: byKind,
  differences: [...differences(pipeline.totals()), ...(isAlive ? [] : ["not all sessions were alive at the end"])],
} satisfies LiveResult);
