import { readdirSync } from "node:fs";
import { join } from "node:path";
import { openCaptures, readCaptures } from "../../collectors/offline/captures.ts";
import type { Totals } from "../../src/pipeline.ts";
import type { PacketVector } from "../../src/vector.ts";
import type { Capture } from "./captures.ts";
import { measureNode, REJOIN } from "./measure.ts";
import { DELIVERY_OCTETS, putDelivery } from "./packet-octets.ts";
import { EPOCH_SECONDS } from "./packet-writer.ts";
import { PcapFile } from "./pcap-file.ts";
import { differencesOf } from "./result.ts";

const CAPTURES = "test/captures";
/** Recorded after this workload was first measured, and left out so that its figures stay comparable. */
const LATER = ["slow-reader"];
const REPEATS = 5;
/**
 * Each recording begins so long after the one before: any session of that has ended by then, so that it may come again as it
 * is.
 */
const APART_MICROS = 40 * 60e6;
/** The files of a recording, in the order of their agents' keys, from 1. */
const AGENTS = ["router1", "router2", "router1-access", "router2-access"];
const ETHERNET = 14;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;

/** What is in the file. */
interface MixedTruth {
  readonly packets: number;
  readonly fileOctets: number;
}

/** Recorded sessions, one recording after the other, several times, as four agents would have copied them. */
export const MIXED: Capture<MixedTruth> = {
  name: "mixed",
  about:
    `${recordings().length} recordings of test/captures in GRE, one after the other, ${REPEATS} times as they are, ` +
    "40 minutes apart: 945,150 packets of 1,046 octets",
  workload: { recordings: recordings(), repeats: REPEATS, apartMicros: APART_MICROS },
  write: writeMixed,
  differences,
};

/** Folders of recorded sessions, without those that came later: the workload stays what it was. */
function recordings(): string[] {
  return readdirSync(CAPTURES, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() && !LATER.includes(entry.name) ? [entry.name] : []))
    .sort();
}

/** A recording's files. */
function filesOf(recording: string): string[] {
  return readdirSync(join(CAPTURES, recording))
    .filter((file) => file.endsWith(".pcap.gz"))
    .map((file) => join(CAPTURES, recording, file))
    .sort();
}

async function writeMixed(path: string): Promise<MixedTruth> {
  const file = new PcapFile(path, 0xffff);
  const numbers = AGENTS.map(() => 0);
  let beginMicros = EPOCH_SECONDS * 1e6;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    for (const recording of recordings()) {
      await writeRecording(file, recording, beginMicros, numbers);
      beginMicros += APART_MICROS;
    }
  }
  return { packets: numbers.reduce((sum, number) => sum + number, 0), fileOctets: file.close() };
}

async function writeRecording(
  file: PcapFile,
  recording: string,
  beginMicros: number,
  numbers: number[],
): Promise<void> {
  const { inputs } = await openCaptures(filesOf(recording), process.stdin);
  for (const { name, input } of inputs) input.number(AGENTS.indexOf(name));
  let shift = Number.NaN;
  const take = (vector: PacketVector): void => {
    if (Number.isNaN(shift)) shift = beginMicros - (vector.atMicros[0] ?? 0);
    for (let i = 0; i < vector.length; i++) writeCopy(file, vector, i, (vector.atMicros[i] ?? 0) + shift, numbers);
  };
  await readCaptures(
    inputs.map(({ input }) => input),
    take,
    async () => true,
  );
  for (const { input } of inputs) input.close();
}

/** Writes the copy of a packet that its agent would have sent; of what is no IP packet agents send none. */
function writeCopy(file: PcapFile, vector: PacketVector, i: number, atMicros: number, numbers: number[]): void {
  const at = vector.at[i] ?? 0;
  const octets = (vector.captured[i] ?? 0) - ETHERNET;
  const agent = vector.source[i] ?? 0;
  const etherType = vector.view.getUint16(at + ETHERNET - 2);
  if (etherType !== IPV4 && etherType !== IPV6) return;
  const copy = DELIVERY_OCTETS + octets;
  const target = file.begin(Math.floor(atMicros / 1e6), Math.round(atMicros) % 1e6, copy, copy, copy);
  const number = numbers[agent] ?? 0;
  numbers[agent] = number + 1;
  putDelivery(file.view, target, agent, number, octets, etherType);
  file.buffer.set(vector.block.subarray(at + ETHERNET, at + ETHERNET + octets), target + DELIVERY_OCTETS);
}

/**
 * Each repetition must count as the recordings do when each is read by itself, which test/scenario holds against what the
 * kernels said.
 */
function differences(totals: Totals, truth: MixedTruth): string[] {
  const alone = recordings().map((recording) => readAlone(recording));
  const sum = (of: (totals: Totals) => number | undefined) =>
    REPEATS * alone.reduce((all, one) => all + (of(one) ?? 0), 0);
  const both = (what: string, of: (totals: Totals) => number | undefined) => [what, sum(of), of(totals)] as const;
  return differencesOf([
    ["packets", truth.packets, totals.packetsIn],
    both("packets counted", ({ packets }) => packets["session/counted"]),
    both("sessions", ({ sessions }) => sessions.opened),
    both("initial subflows", ({ subflows }) => subflows.initial),
    both("joined subflows", ({ subflows }) => subflows.joined),
    both("join HMACs verified", ({ verdicts }) => verdicts["join-hmac"]?.verified),
    both("join HMACs that failed", ({ verdicts }) => verdicts["join-hmac"]?.failed),
    both("checksums verified", ({ verdicts }) => verdicts.checksum?.verified),
    both("checksums that failed", ({ verdicts }) => verdicts.checksum?.failed),
    both("octets of initiators", ({ octets }) => octets.initiator),
    both("octets of responders", ({ octets }) => octets.responder),
    both("octets missing", ({ octets }) => octets.missing),
  ]);
}

const readAlone = (recording: string): Totals =>
  JSON.parse(measureNode([REJOIN, "read", "--summary", "--json", ...filesOf(recording)]).output) as Totals;
