import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { captureFile } from "./capture.ts";
import { CASES, filesOf } from "./cases.ts";

/** Writes every hostile case into a directory as pcap files, for whatever tool is to be tried on them. */
export function writeCases(directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const hostile of CASES) {
    const agents = hostile.agents();
    for (const [n, file] of filesOf(hostile, agents.length).entries()) {
      writeFileSync(join(directory, file), captureFile(agents[n] ?? []));
    }
  }
}
