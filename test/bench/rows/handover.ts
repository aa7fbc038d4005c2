import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { serialize } from "node:v8";
import { decode, encode } from "../../../schema/encoding.ts";
import { median, REJOIN } from "../measure.ts";
import type { Row, RowResult } from "../result.ts";

const CAPTURES = ["router1", "router2"].map((router) =>
  fileURLToPath(new URL(`../../../../collectors/demo/captures/${router}.pcap.gz`, import.meta.url)),
);
const RECORDS = 20_000;
const RUNS = 5;

/** Encoding a record where it was made, against handing the object to a thread that encodes it, which takes a clone. */
export const HANDOVER: Row = { name: "handover", run };

async function run(): Promise<RowResult> {
  const lines = execFileSync(process.execPath, [REJOIN, "read", "--json", ...CAPTURES], { encoding: "utf8" });
  const records = lines
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as object);
  const encoding: number[] = [];
  const cloning: number[] = [];
  const writing: number[] = [];
  // The first run compiles.
  for (let i = 0; i <= RUNS; i++) {
    const encoded = micros(records, (record) => encode(record, "msgpack"));
    const cloned = micros(records, structuredClone);
    const written = micros(records, serialize);
    if (i === 0) continue;
    encoding.push(encoded);
    cloning.push(cloned);
    writing.push(written);
  }
  const [encoded, cloned] = [median(encoding), median(cloning)];
  const same = records.filter((record) => {
    const decoded = decode(encode(record, "msgpack"));
    return decoded.ok && JSON.stringify(decoded.record) === JSON.stringify(record);
  });
  return {
    row: "handover",
    about: "records of the sessions of `npm run demo`, one after the other, in one process",
    against: [{ name: "structuredClone of Node", version: process.version }],
    figures: [
      { what: "MessagePack", value: encoded, unit: "µs per record" },
      { what: "structured clone", value: cloned, unit: "µs per record" },
      { what: "of it on the side that hands over", value: median(writing), unit: "µs per record" },
    ],
    claims: [{ what: "times a clone", value: encoded / cloned, target: 1 }],
    differences: same.length === records.length ? [] : [`${records.length - same.length} records came out as others`],
  };
}

/** Processor time of one record. */
function micros(records: readonly object[], work: (record: object) => unknown): number {
  const begun = process.cpuUsage();
  for (let i = 0; i < RECORDS; i++) work(records[i % records.length] ?? {});
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / RECORDS;
}
