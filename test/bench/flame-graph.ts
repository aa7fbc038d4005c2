/** A profile of V8's, as `node --cpu-prof` writes it: a tree of calls, and which node was running at each sample. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

/** A function called from another. */
export interface ProfileNode {
  readonly id: number;
  /** Line and column from 0. */
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
  readonly children?: readonly number[];
}

/** A function called from another, with the microseconds spent in it and in what it calls. */
interface Frame {
  readonly name: string;
  readonly micros: number;
  readonly children: readonly Frame[];
}

const WIDTH = 1600;
const ROW = 17;
const HEAD = 24;
/** A frame that is narrower is left out. */
const LEAST_WIDTH = 0.5;
/** Letters that fit into so many pixels. */
const LETTER = 6.6;
/** What V8 calls time in which no JavaScript ran. */
export const IDLE: ReadonlySet<string> = new Set(["(idle)", "(program)"]);

/** The profile as a flame graph in SVG: a frame's width is its time, on it stand those it called; a frame tells its name. */
export function flameGraph(title: string, profile: CpuProfile): string {
  const root = tree(profile);
  const rows: string[] = [];
  let depth = 0;
  const draw = ({ name, micros, children }: Frame, x: number, level: number): void => {
    const width = (micros / root.micros) * WIDTH;
    if (width < LEAST_WIDTH) return;
    depth = Math.max(depth, level);
    const told = `${name}: ${(micros / 1000).toFixed(1)} ms, ${((100 * micros) / root.micros).toFixed(1)} %`;
    const y = HEAD + level * ROW;
    const label = name.slice(0, Math.floor(width / LETTER));
    rows.push(
      `<g><title>${escaped(told)}</title><rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}" ` +
        `fill="${colour(name)}"/>${label.length > 2 ? `<text x="${(x + 2).toFixed(1)}" y="${y + 12}">${escaped(label)}</text>` : ""}</g>`,
    );
    let at = x;
    for (const child of children) {
      draw(child, at, level + 1);
      at += (child.micros / root.micros) * WIDTH;
    }
  };
  draw(root, 0, 0);
  const height = HEAD + (depth + 1) * ROW;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="monospace" font-size="11">`,
    `<text x="2" y="15" font-size="13">${escaped(title)}</text>`,
    ...rows,
    "</svg>",
    "",
  ].join("\n");
}

/** Microseconds spent in each node itself, by its number. */
export function ownMicros({ samples, timeDeltas }: CpuProfile): Map<number, number> {
  const own = new Map<number, number>();
  // A sample tells what ran from it on: its time is what passes until the next.
  for (const [i, id] of samples.entries()) own.set(id, (own.get(id) ?? 0) + (timeDeltas[i + 1] ?? 0));
  return own;
}

/** Calls with their times, the longest first; what was idle is left out. */
function tree(profile: CpuProfile): Frame {
  const { nodes } = profile;
  const own = ownMicros(profile);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const frame = (node: ProfileNode): Frame => {
    const children = (node.children ?? [])
      .flatMap((id) => byId.get(id) ?? [])
      .filter(({ callFrame }) => !IDLE.has(callFrame.functionName))
      .map(frame)
      .toSorted((a, b) => b.micros - a.micros);
    const micros = children.reduce((sum, child) => sum + child.micros, own.get(node.id) ?? 0);
    return { name: nameOf(node), micros, children };
  };
  const [root] = nodes;
  return root === undefined ? { name: "", micros: 0, children: [] } : frame(root);
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const file = url.split("/").at(-1) ?? "";
  return `${functionName || "(anonymous)"}${file === "" ? "" : ` ${file}:${lineNumber + 1}`}`;
}

/** The same for a name each time, of the colours of fire. */
function colour(name: string): string {
  let hash = 0;
  for (const letter of name) hash = (Math.imul(hash, 31) + (letter.codePointAt(0) ?? 0)) >>> 0;
  return `hsl(${hash % 50} 80% ${60 + ((hash >>> 8) % 15)}%)`;
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text: string): string => text.replace(/[&<>"]/g, (letter) => ENTITIES[letter] ?? letter);
