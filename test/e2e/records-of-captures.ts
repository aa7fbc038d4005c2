import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AnyRecord } from "../../schema/topics.ts";
import { writeCases } from "../hostile/write.ts";
import { observe } from "../scenario/observed.ts";

const CAPTURES = fileURLToPath(new URL("../captures/", import.meta.url));
/** Read as if only the first router had an agent, so that there is a path that nobody watches. */
const HALF_SEEN = "bulk";

/**
 * Sessions and findings, as `rejoin read --json --partial --findings` prints them, of every recorded and every hostile
 * capture, each observation read for itself. `folder` is where the hostile ones are written.
 */
export async function recordsOfCaptures(folder: string): Promise<AnyRecord[]> {
  writeCases(folder);
  const hostile = readdirSync(folder);
  const names = new Set(hostile.map((file) => file.replace(/(\.agent\d)?\.pcap$/, "")));
  const recorded = readdirSync(CAPTURES, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const all: AnyRecord[] = [];
  for (const { name } of recorded) {
    const files = readdirSync(join(CAPTURES, name)).filter((file) => file.endsWith(".pcap.gz"));
    const seen = files.slice(0, name === HALF_SEEN ? 1 : undefined).map((file) => join(CAPTURES, name, file));
    all.push(...(await recordsOf(seen)));
  }
  for (const name of names) {
    const files = hostile.filter((file) => file.startsWith(`${name}.`)).map((file) => join(folder, file));
    all.push(...asItsOwn(basename(files[0] ?? ""), await recordsOf(files)));
  }
  return all;
}

async function recordsOf(files: readonly string[]): Promise<AnyRecord[]> {
  const found: AnyRecord[] = [];
  const { records } = await observe(files, { partial: true, finding: (finding) => found.push(finding) });
  return [...records, ...found];
}

/** Hostile cases are what becomes of one session in many ways; here each is a session of its own. */
function asItsOwn(file: string, records: readonly AnyRecord[]): AnyRecord[] {
  const text = JSON.stringify(records).replaceAll(/\b[0-9a-f]{24}(?=[-"])/g, (id) =>
    createHash("sha256").update(`${file} ${id}`).digest("hex").slice(0, 24),
  );
  return JSON.parse(text);
}
