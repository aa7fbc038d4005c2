/** Octets of a page, by which the kernel gives memory to a table that is used for the first time. */
const PAGE_OCTETS = 4096;

/** Octets that a table holds, by its name. */
export type HeldMemory = ReadonlyMap<string, number>;

/**
 * All tables that can be reached from an object through fields, arrays and maps, by the fields that lead to each
 * (`subflows.table.hot`), with the octets of memory that each holds: of those pages that are not all zero, as the kernel
 * gives none for a page before it is written. Views of one buffer are one table, by the name that is found first.
 */
export function heldMemory(root: object): HeldMemory {
  const held = new Map<string, number>();
  const seen = new Set<object>();
  let next: [string, object][] = [["", root]];
  // The shortest way to a table gives it its name.
  while (next.length > 0) {
    const further: [string, object][] = [];
    for (const [name, object] of next) {
      if (seen.has(object)) continue;
      seen.add(object);
      if (ArrayBuffer.isView(object)) take(held, seen, name, object);
      else further.push(...partsOf(name, object));
    }
    next = further;
  }
  return held;
}

function take(held: Map<string, number>, seen: Set<object>, name: string, { buffer }: ArrayBufferView): void {
  if (seen.has(buffer)) return;
  seen.add(buffer);
  held.set(name, (held.get(name) ?? 0) + pagesUsed(buffer));
}

function partsOf(name: string, object: object): [string, object][] {
  const values: [string, unknown][] =
    object instanceof Map || object instanceof Set || Array.isArray(object)
      ? [...object.values()].map((value) => [name, value])
      : Object.entries(object).map(([field, value]) => [name === "" ? field : `${name}.${field}`, value]);
  return values.flatMap(([field, value]) => (typeof value === "object" && value !== null ? [[field, value]] : []));
}

function pagesUsed(buffer: ArrayBufferLike): number {
  const words = new Float64Array(buffer, 0, buffer.byteLength >> 3);
  const inPage = PAGE_OCTETS / words.BYTES_PER_ELEMENT;
  let pages = 0;
  for (let from = 0; from < words.length; from += inPage) {
    const end = Math.min(from + inPage, words.length);
    let at = from;
    while (at < end && words[at] === 0) at++;
    if (at < end) pages++;
  }
  return pages * PAGE_OCTETS;
}
