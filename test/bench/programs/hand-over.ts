import { execFileSync } from "node:child_process";
import { serialize } from "node:v8";
import { decode, encode } from "../../../schema/encoding.ts";

/** Processor time of a record in each run, in microseconds. */
export interface HandOver {
  readonly encoded: readonly number[];
  readonly cloned: readonly number[];
  /** What of a clone is made on the side that hands over. */
  readonly written: readonly number[];
  /** Records that came out of MessagePack as others. */
  readonly wrong: number;
}

const RECORDS = 10_000;
const RUNS = 5;

// The records of capture files, as the command line makes them.
const [rejoin = "", ...captures] = process.argv.slice(2);
const records = execFileSync(process.execPath, [rejoin, "read", "--json", ...captures], { encoding: "utf8" })
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as object);

function micros(work: (record: object) => unknown): number {
  const begun = process.cpuUsage();
  for (let i = 0; i < RECORDS; i++) work(records[i % records.length] ?? {});
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / RECORDS;
}

// `encoded` is found in a profile by its name (test/bench/rows/handover.ts).
const works = { encoded: (record: object) => encode(record, "msgpack"), cloned: structuredClone, written: serialize };
const runs = Array.from({ length: RUNS + 1 }, () => ({
  encoded: micros(works.encoded),
  cloned: micros(works.cloned),
  written: micros(works.written),
}));
// The first run compiles.
const counted = runs.slice(1);
const same = records.filter((record) => {
  const decoded = decode(encode(record, "msgpack"));
  return decoded.ok && JSON.stringify(decoded.record) === JSON.stringify(record);
});
const result: HandOver = {
  encoded: counted.map(({ encoded }) => encoded),
  cloned: counted.map(({ cloned }) => cloned),
  written: counted.map(({ written }) => written),
  wrong: records.length - same.length,
};
process.stdout.write(JSON.stringify(result));
