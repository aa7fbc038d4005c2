import { leavesOf, type SchemaNode, schemaAt } from "../../schema/configuration/programs.ts";
import { expected } from "../../schema/configuration/wording.ts";

/** What zod says of a value; the parts that are read here. */
interface Issue {
  readonly code?: string | undefined;
  readonly message: string;
  readonly path: readonly PropertyKey[];
}

/** Values of a fault are shown up to so many characters. */
const SHOWN = 40;

/** `agents[1].key`; a key that is no word is `…`, since it may hold what was meant as its value: `token:secret`. */
export function keyText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    const word = /^\w+$/.test(String(step)) ? String(step) : "…";
    return text === "" ? word : `${text}.${word}`;
  }, "");
}

/** What is wrong with a value, and what may stand there instead. `value` is left out where nobody shall read it. */
export function valueFault(schema: SchemaNode, issue: Issue, value: unknown, secret: boolean): string {
  const node = schemaAt(schema, issue.path);
  // What the schema's own words say; zod's begin so.
  if (node === null || !/^(Invalid|Too) /.test(issue.message)) return issue.message;
  if (value === undefined) return `is missing; it must be ${expected(node)}`;
  if (value === "") return `is empty; it must be ${expected(node)}`;
  // JSON has no word for infinity or for what is no number.
  const word = typeof value === "number" ? String(value) : JSON.stringify(value);
  const shown = secret ? "" : `, not ${clipped(word)}`;
  const meant = typeof value === "string" && !secret ? nearest(value, texts(node)) : null;
  return `must be ${expected(node)}${shown}${meant === null ? "" : `; did you mean ${meant}?`}`;
}

/** What to say of a key that the schema does not have, below `path`. */
export function unknownKey(schema: SchemaNode, path: readonly PropertyKey[], key: string): string {
  const known = Object.keys(schemaAt(schema, path)?.properties ?? {});
  const sibling = nearest(key, known);
  if (sibling !== null) return `there is no such key; did you mean ${sibling}?`;
  const elsewhere = leavesOf(schema).find((leaf) => nearest(key, leaf.slice(-1)) !== null);
  if (elsewhere !== undefined) return `there is no such key; did you mean ${keyText(elsewhere)}?`;
  return `there is no such key; here may stand ${known.join(", ")}`;
}

/** The candidate that is most like a word, if a slip of the hand can lie between them; null otherwise. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const edits = distance(word.toLowerCase(), candidate.toLowerCase());
    if (edits >= least) continue;
    best = candidate;
    least = edits;
  }
  return best;
}

/** Characters put in, left out or exchanged, and neighbours that changed places (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const exchanged = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(Math.min(exchanged, at(i - 1, j) + 1, at(i, j - 1) + 1, swapped ? at(i - 2, j - 2) + 1 : exchanged));
    }
  }
  return at(a.length, b.length);
}

/** Words that may stand somewhere. */
function texts({ enum: words, anyOf }: SchemaNode): string[] {
  return [...(words ?? []).map(String), ...(anyOf ?? []).flatMap(texts)];
}

function clipped(text: string): string {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
