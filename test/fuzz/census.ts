/** What an object graph holds at a moment. */
interface Census {
  /** Sizes of collections and numbers by path, such as `.sessions.table.live`. */
  readonly counts: ReadonlyMap<string, number>;
  /** What typed arrays are views of. */
  readonly buffers: ReadonlySet<ArrayBufferLike>;
}

/** Counts everything reachable from `root` but the contents of collections. */
function census(root: object): Census {
  const found = new Map<string, number>();
  const buffers = new Set<ArrayBufferLike>();
  const seen = new Set<object>();
  const walk = (value: unknown, path: string): void => {
    if (typeof value === "number") found.set(path, value);
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    if (value instanceof Map || value instanceof Set) found.set(`${path}.size`, value.size);
    else if (Array.isArray(value)) found.set(`${path}.entries`, value.length);
    else if (ArrayBuffer.isView(value)) buffers.add(value.buffer);
    else for (const [key, part] of Object.entries(value)) walk(part, `${path}.${key}`);
  };
  walk(root, "");
  return { counts: found, buffers };
}

/**
 * Agents and inputs are known for as long as the pipeline is; totals only grow; a bounded number of past ids is kept; a ring
 * and windows have a size; the piece that was last placed stays where it was passed; ports are configured.
 */
const LASTING =
  /^\.agents\.|^\.options\b|endedBy|\.ids\.(uses|past)\.|\.(ring|windows|ports)\.size$|\.(placement\.fresh|placed\.octets)\./;

/**
 * What a pipeline still holds when it has ended: collections with something in them, and tables with live entries. A
 * fresh pipeline holds nothing, and neither does one that has ended.
 */
export function leftIn(pipeline: object): string[] {
  const { counts: found } = census(pipeline);
  return [...found]
    .filter(([path, count]) => {
      if (LASTING.test(path)) return false;
      if (/\.free\.entries$/.test(path)) return count !== found.get(path.replace("free.entries", "used"));
      return count !== 0 && /\.(live|length|size|held|octetsHeld|heldOctets)$/.test(path);
    })
    .map(([path, count]) => `${path} = ${count}`);
}

/** Octets of all tables and arenas of a pipeline. */
export const tableOctets = (pipeline: object): number =>
  [...census(pipeline).buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
