import { resolve, sep } from "node:path";

const ENDINGS = /(\.(pcap|pcapng|cap|gz|zst))+$/i;

/**
 * Names for capture files, to stand as agents in records: "captures/router1.pcap.gz" is "router1", standard input ("-")
 * is "stdin". Equal names get the folders before them that tell them apart; two files of one folder keep their endings.
 * Paths that are given twice get equal names.
 */
export function sourceNames(paths: readonly string[]): string[] {
  const parts = paths.map((path) => (path === "-" ? ["stdin"] : resolve(path).split(sep)));
  const stems = parts.map((part) => [
    ...part.slice(0, -1),
    (part.at(-1) ?? "").replace(ENDINGS, "") || (part.at(-1) ?? ""),
  ]);
  const whole = repeated(stems.map((stem) => stem.join(sep)));
  const spelled = stems.map((stem, i) => (whole[i] === true ? (parts[i] ?? stem) : stem));
  const depths = spelled.map(() => 1);
  for (;;) {
    const names = spelled.map((part, i) => part.slice(-(depths[i] ?? 1)).join("/"));
    const clash = repeated(names);
    let deeper = false;
    for (const [i, part] of spelled.entries()) {
      if (clash[i] !== true || (depths[i] ?? 1) >= part.length) continue;
      depths[i] = (depths[i] ?? 1) + 1;
      deeper = true;
    }
    if (!deeper) return names;
  }
}

/** For each value, whether it stands more than once. */
function repeated(values: readonly string[]): boolean[] {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return values.map((value) => (counts.get(value) ?? 0) > 1);
}
