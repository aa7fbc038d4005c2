/** What an object graph holds at a moment: sizes of collections and numbers by path, such as `.sessions.table.live`. */
type Census = ReadonlyMap<string, number>;

/** Counts everything reachable from `root` but the contents of collections and of typed arrays. */
function census(root: object): Census {
  const found = new Map<string, number>();
  const seen = new Set<object>();
  const walk = (value: unknown, path: string): void => {
    if (typeof value === "number") found.set(path, value);
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    if (value instanceof Map || value instanceof Set) found.set(`${path}.size`, value.size);
    else if (Array.isArray(value)) found.set(`${path}.entries`, value.length);
    else if (!ArrayBuffer.isView(value)) for (const [key, part] of Object.entries(value)) walk(part, `${path}.${key}`);
  };
  walk(root, "");
  return found;
}

/** Agents and inputs are known for as long as the pipeline is; totals only grow. */
const LASTING = /^\.agents\.|^\.options\b|endedBy/;

/**
 * What a pipeline still holds when it has ended: collections with something in them, and tables with live entries. A
 * fresh pipeline holds nothing, and neither does one that has ended.
 */
export function leftIn(pipeline: object): string[] {
  const found = census(pipeline);
  return [...found]
    .filter(([path, count]) => {
      if (LASTING.test(path)) return false;
      if (/\.free\.entries$/.test(path)) return count !== found.get(path.replace("free.entries", "used"));
      return count !== 0 && /\.(live|length|size|held\w*)$/.test(path);
    })
    .map(([path, count]) => `${path} = ${count}`);
}
