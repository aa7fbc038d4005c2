import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Truth, type Workload, writeTraffic } from "./traffic.ts";

/** A generated file that a bench reads, and how much processor time reading it may take. */
export interface Capture {
  readonly name: string;
  readonly about: string;
  readonly workload: Workload;
  /** At most so many times what tcpdump takes. */
  readonly target: number;
}

export const CAPTURES: readonly Capture[] = [
  {
    name: "headers",
    about: "5,000,000 packets cut to 126 octets, 10,000 sessions of 2.5 subflows",
    workload: { sessions: 10_000, packetsPerSubflow: 200, snap: 126, seed: 1 },
    target: 4,
  },
  {
    name: "payload",
    about: "1,500,000 packets of 1,446 octets, 3,000 sessions of 2.5 subflows",
    workload: { sessions: 3_000, packetsPerSubflow: 200, snap: 65_535, seed: 2 },
    target: 2,
  },
];

const FOLDER = "bench-data";

/** Path and truth of a capture; made on first use and kept in bench-data/ for as long as its workload stays the same. */
export function provide({ name, workload }: Capture): { path: string; truth: Truth } {
  const path = join(FOLDER, `${name}.pcap`);
  const noteFile = join(FOLDER, `${name}.json`);
  if (existsSync(path) && existsSync(noteFile)) {
    const note = JSON.parse(readFileSync(noteFile, "utf8")) as { workload: Workload; truth: Truth };
    if (JSON.stringify(note.workload) === JSON.stringify(workload)) return { path, truth: note.truth };
  }
  mkdirSync(FOLDER, { recursive: true });
  process.stderr.write(`bench: writing ${path}\n`);
  const truth = writeTraffic(`${path}.part`, workload);
  renameSync(`${path}.part`, path);
  writeFileSync(noteFile, `${JSON.stringify({ workload, truth }, null, 2)}\n`);
  return { path, truth };
}
