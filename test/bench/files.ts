import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where generated files and results lie. */
export const FOLDER = "bench-data";

/** A file that a bench generates and reads. */
export interface Generated<Truth> {
  readonly name: string;
  /** All that decides what is in it. */
  readonly workload: unknown;
  /** Writes it, and tells what is in it. */
  readonly write: (path: string) => Promise<Truth> | Truth;
}

/** Path and truth of a capture; made on first use and kept in bench-data/ for as long as its workload stays the same. */
export async function provide<Truth>(file: Generated<Truth>): Promise<{ path: string; truth: Truth }> {
  const { name, workload } = file;
  const path = join(FOLDER, `${name}.pcap`);
  const noteFile = join(FOLDER, `${name}.json`);
  if (existsSync(path) && existsSync(noteFile)) {
    const note = JSON.parse(readFileSync(noteFile, "utf8")) as { workload: unknown; truth: Truth };
    if (JSON.stringify(note.workload) === JSON.stringify(workload)) return { path, truth: note.truth };
  }
  mkdirSync(FOLDER, { recursive: true });
  process.stderr.write(`bench: writing ${path}\n`);
  const truth = await file.write(`${path}.part`);
  renameSync(`${path}.part`, path);
  writeFileSync(noteFile, `${JSON.stringify({ workload, truth }, null, 2)}\n`);
  return { path, truth };
}
