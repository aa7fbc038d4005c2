import type { Readable } from "node:stream";
import { INPUT_OCTETS } from "../../src/octets/octet-ring.ts";
import type { Pipeline } from "../../src/pipeline.ts";
import { PacketVector } from "../../src/vector.ts";
import { OperationalError } from "../runtime/errors.ts";
import { CaptureInput } from "./capture-input.ts";
import { distinctFiles } from "./distinct-files.ts";
import { Interruption } from "./interruption.ts";
import { sourceNames } from "./source-name.ts";

/** Files read together. Each has a window, so this bounds the memory: 128 MiB. */
export const MAX_FILES = 256;
/** Window of each file: of a single one it is moved into a pipeline's memory as a whole, so it is no larger than that takes. */
const WINDOW_OCTETS = INPUT_OCTETS;

/** Capture files that form one observation. */
export interface Captures {
  /** In the order that decides ties: by time of the first packet, then by name. The command line's order tells nothing. */
  readonly inputs: readonly NamedInput[];
  /** Files of which nothing can be read: one line each. */
  readonly unreadable: readonly string[];
  /** Paths of a file that is read by another path, or by the same: one line each. */
  readonly again: readonly string[];
}

/** A file and the name that stands for it in records. */
export interface NamedInput {
  readonly name: string;
  readonly input: CaptureInput;
}

/**
 * Opens all files and reads their first packets, so that what cannot be read is known before the first record. A path
 * that is given twice is read once. Where a signal comes while the first packets do not, there are no inputs. Throws an
 * OperationalError for more than MAX_FILES.
 */
export async function openCaptures(
  paths: readonly string[],
  stdin: Readable,
  interruption = new Interruption(null),
): Promise<Captures> {
  const { files, again } = distinctFiles(paths);
  if (files.length > MAX_FILES) {
    throw new OperationalError(
      "too-many-files",
      `${files.length} files are more than the ${MAX_FILES} that are read together; join some first, such as: mergecap -w all.pcapng FILE...`,
    );
  }
  const block = new Uint8Array(files.length * WINDOW_OCTETS);
  const names = sourceNames(files);
  const opened: (NamedInput | string)[] = [];
  for (const [i, path] of files.entries()) {
    try {
      const input = new CaptureInput(path, stdin, block, i * WINDOW_OCTETS, (i + 1) * WINDOW_OCTETS);
      opened.push({ name: names[i] ?? path, input });
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      opened.push(error.message);
    }
  }
  // Not before: to open a FIFO that nobody writes to holds the process up, and then a signal shall end that.
  interruption.listen();
  const inputs: NamedInput[] = [];
  const unreadable: string[] = [];
  for (const one of opened) {
    if (typeof one === "string") {
      unreadable.push(one);
      continue;
    }
    const problem = await interruption.before(one.input.begins(), null);
    if (problem === null) inputs.push(one);
    else {
      unreadable.push(problem);
      one.input.close();
    }
  }
  if (interruption.signal !== null) {
    for (const { input } of inputs) input.close();
    return { inputs: [], unreadable, again };
  }
  inputs.sort((a, b) => compare(a.input.nextMicros, b.input.nextMicros) || compare(a.name, b.name));
  return { inputs, unreadable, again };
}

/**
 * Names the files to the pipeline that their packets go to. One that is read alone comes into the pipeline's memory; several
 * are the places of one traffic, each with a clock of its own.
 */
export function attach(inputs: readonly NamedInput[], pipeline: Pipeline): void {
  for (const { name, input } of inputs) input.number(pipeline.addSource(name));
  const [first, second] = inputs;
  if (second === undefined) first?.input.readInto(pipeline.memory);
  else pipeline.expectCopies();
}

/**
 * Hands every packet of the files to `take`, merged by time, in vectors that are valid until it returns. `turn` is
 * called for each piece read: it may wait (output, other work), and ends the reading when it says false. So does a
 * signal, also while the next piece does not come.
 */
export async function readCaptures(
  inputs: readonly CaptureInput[],
  take: (vector: PacketVector) => void,
  turn: () => Promise<boolean>,
  interruption = new Interruption(null),
): Promise<void> {
  const [only] = inputs;
  if (inputs.length === 1 && only !== undefined) await readOne(only, take, turn, interruption);
  else await readMerged(inputs, take, turn, interruption);
}

async function readOne(
  input: CaptureInput,
  take: (vector: PacketVector) => void,
  turn: () => Promise<boolean>,
  interruption: Interruption,
): Promise<void> {
  if (input.vector.length === 0) return;
  do {
    do take(input.vector);
    while (input.decode());
  } while ((await turn()) && (await interruption.before(input.next(), false)));
}

/**
 * Always takes the earliest of the files' next packets; at equal times that of the file that stands first. A file whose
 * own packets step back in time keeps its order. A binary heap holds the files that have packets left.
 */
async function readMerged(
  inputs: readonly CaptureInput[],
  take: (vector: PacketVector) => void,
  turn: () => Promise<boolean>,
  interruption: Interruption,
): Promise<void> {
  const merged = new PacketVector();
  const live = inputs.filter((input) => input.vector.length > 0);
  const [any] = live;
  if (any === undefined) return;
  merged.use(any.vector.block);
  const heads = Float64Array.from(live, (input) => input.nextMicros);
  const cursors = new Uint8Array(live.length);
  // The inputs come sorted by their first packets: already a heap.
  const heap = Uint16Array.from(live.keys());
  let size = heap.length;
  while (size > 0) {
    const first = heap[0] ?? 0;
    const input = live[first];
    if (input === undefined) return;
    const { vector } = input;
    let cursor = cursors[first] ?? 0;
    copyPacket(vector, cursor, merged);
    if (merged.full) {
      take(merged);
      merged.clear();
    }
    cursor += 1;
    if (cursor === vector.length) {
      cursor = 0;
      if (!input.decode()) {
        // The window is about to be overwritten, and packets of the merged vector may lie in it.
        if (merged.length > 0) take(merged);
        merged.clear();
        if (!(await turn())) return;
        const goesOn = await interruption.before(input.next(), false);
        // What the other files have read lies behind what this one would have brought.
        if (interruption.signal !== null) return;
        if (!goesOn) heap[0] = heap[--size] ?? 0;
      }
    }
    cursors[first] = cursor;
    heads[first] = vector.atMicros[cursor] ?? 0;
    siftDown(heap, size, heads);
  }
  if (merged.length > 0) take(merged);
}

function copyPacket(from: PacketVector, i: number, to: PacketVector): void {
  const { at, captured, wire, atMicros, linkType, source } = from;
  to.add(at[i] ?? 0, captured[i] ?? 0, wire[i] ?? 0, atMicros[i] ?? 0, linkType[i] ?? 0, source[i] ?? 0);
}

/** Lets the first of the heap's `size` files sink to its place. */
function siftDown(heap: Uint16Array, size: number, heads: Float64Array): void {
  const sinking = heap[0] ?? 0;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && isBefore(heads, heap[child + 1] ?? 0, heap[child] ?? 0)) child += 1;
    const rising = heap[child] ?? 0;
    if (!isBefore(heads, rising, sinking)) break;
    heap[at] = rising;
    at = child;
  }
  heap[at] = sinking;
}

function isBefore(heads: Float64Array, a: number, b: number): boolean {
  const timeA = heads[a] ?? 0;
  const timeB = heads[b] ?? 0;
  return timeA < timeB || (timeA === timeB && a < b);
}

function compare<T extends number | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
