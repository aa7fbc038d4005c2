import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { REJOIN } from "../bench/measure.ts";
import type { MeasuredProcess } from "../bench/wire/process.ts";
import { INTERFACE, missingForWire, Wire } from "../bench/wire/wire.ts";
import { flatness } from "./flatness.ts";

const SESSIONS = 1000;
const PACKETS_PER_SUBFLOW = 60;
/** Sessions have 2.5 subflows. */
const PACKETS = SESSIONS * 2.5 * PACKETS_PER_SUBFLOW;
/** One packet in so many may be lost: a session whose end was lost ends when its addresses are played again. */
const MOST_LOST = 100;
const LOOK_MS = 2000;
const LINE_SECONDS = 30;

const OPTIONS = {
  minutes: { type: "string", default: "10" },
  rate: { type: "string", default: "10000" },
} as const;

/** A program that is watched. */
interface Watched {
  readonly name: string;
  readonly process: MeasuredProcess;
  /** Octets that it had, at equal intervals. */
  readonly samples: number[];
}

/** What is read of a collector's last line. */
interface Totals {
  readonly packetsIn: number;
  readonly sessions: { readonly ended: number };
  readonly sources: readonly { readonly kernelDrops: number | null }[];
}

/**
 * `npm run soak [-- --minutes 10 --rate 10000]`: an agent and a collector under so many packets a second, of sessions that
 * begin and end all the time. Prints the memory of both over time, what they counted, and a verdict. Returns the exit status: 1
 * where memory did not stay flat, 2 where it cannot be run, or where one packet in a hundred was lost.
 */
async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  const [minutes, rate] = [Number(values.minutes), Number(values.rate)];
  if (!(minutes > 0) || !(rate > 0)) throw new Error("--minutes and --rate are numbers above 0");
  const missing = missingForWire();
  if (missing !== undefined) throw new Error(`a soak ${missing}`);
  const folder = mkdtempSync(join(tmpdir(), "rejoin-soak-"));
  const wire = await Wire.open("mptcp", PACKETS, { sessions: SESSIONS, packetsPerSubflow: PACKETS_PER_SUBFLOW });
  try {
    return await soak(wire, folder, minutes * 60, rate);
  } finally {
    await wire.close();
    rmSync(folder, { recursive: true });
  }
}

async function soak(wire: Wire, folder: string, seconds: number, rate: number): Promise<number> {
  const records = ["--sink", "files", "--dir", folder, "--rotate-mib", "4", "--keep", "2"];
  const collect = ["collect", "--listen-udp", "127.0.0.1:4754", "--any-agent", ...records];
  const collector = wire.start(process.execPath, [REJOIN, ...collect]);
  await collector.says(/listening on/);
  const agent = wire.start(process.execPath, [REJOIN, "agent", "--interface", INTERFACE, "--collector", "127.0.0.1"]);
  await agent.says(/agent .* started/);
  const watched: Watched[] = [
    { name: "agent", process: agent, samples: [] },
    { name: "collector", process: collector, samples: [] },
  ];
  print("  minute   sessions      agent  collector");
  const begun = performance.now();
  const passed = () => (performance.now() - begun) / 1000;
  const looks = setInterval(() => {
    for (const { process, samples } of watched) samples.push(process.resident());
  }, LOOK_MS);
  let plays = 0;
  for (let told = 0; passed() < seconds; ) {
    await wire.send({ from: 0, to: PACKETS, rate });
    plays++;
    if (passed() < told) continue;
    told += LINE_SECONDS;
    const memory = watched.map(({ samples }) => mebibytes(samples.at(-1) ?? 0).padStart(11));
    print(`${(passed() / 60).toFixed(1).padStart(8)} ${number(plays * SESSIONS).padStart(10)}${memory.join("")}`);
  }
  clearInterval(looks);
  await agent.end("SIGTERM");
  await collector.end("SIGTERM");
  return verdict(watched, plays);
}

/** Says what came of it; returns the exit status. */
function verdict(watched: readonly Watched[], plays: number): number {
  const [agent, collector] = watched.map(({ process }) => process);
  const { sent = 0, lost = 0 } = (agent?.logged(/ ended/) ?? {}) as { sent?: number; lost?: number };
  const { packetsIn = 0, sessions, sources } = (collector?.logged(/totals at the end/) ?? {}) as Partial<Totals>;
  const dropped = sources?.reduce((sum, { kernelDrops }) => sum + (kernelDrops ?? 0), 0) ?? 0;
  print(`\n${number(plays * PACKETS)} packets of ${number(plays * SESSIONS)} sessions were sent`);
  print(`agent: ${number(lost)} lost by its kernel, ${number(sent)} copies sent`);
  print(
    `collector: ${number(dropped)} dropped by its kernel, ${number(packetsIn)} came, ${number(sessions?.ended ?? 0)} sessions ended`,
  );
  if (lost + dropped > (plays * PACKETS) / MOST_LOST) {
    print("not judged: that was no load for this machine; take a lower --rate");
    return 2;
  }
  const good = watched.map(({ name, samples }) => {
    const { second, last, isFlat } = flatness(samples);
    print(
      `${name}: ${mebibytes(second)} in the second third, ${mebibytes(last)} in the last: ${isFlat ? "flat" : "GROWS"}`,
    );
    return isFlat;
  });
  return good.every((one) => one) ? 0 : 1;
}

const print = (line: string) => process.stdout.write(`${line}\n`);
const number = (value: number): string => value.toLocaleString("en");
const mebibytes = (octets: number): string => `${(octets / 2 ** 20).toFixed(1)} MiB`;

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`soak: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 2;
}
