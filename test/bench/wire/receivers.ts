import { fileURLToPath } from "node:url";
import { REJOIN } from "../measure.ts";
import { NODE_FLAGS } from "../profile.ts";
import type { LiveContestant } from "./contest.ts";
import { INTERFACE, SINK_ADDRESS } from "./wire.ts";

const WITHOUT_KOFFI = fileURLToPath(new URL("../../../../test/support/without-koffi.cjs", import.meta.url));

/** `rejoin collect`, whole, its records written to nowhere; `listen` says what it receives by. */
export function collector(
  name: string,
  listen: readonly string[],
  { packets, rate, koffi = true }: { packets: number; rate: number; koffi?: boolean },
): LiveContestant {
  const node = koffi ? [] : ["--require", WITHOUT_KOFFI];
  const words = [...node, REJOIN, "collect", "--any-agent", "--sink", "stdout", "--revisions", "ended", ...listen];
  return {
    ...{ name, packets, rate, ready: /listening on/, signal: "SIGTERM", words: ["collect ", ...listen] },
    start: (wire) => wire.start(process.execPath, [...NODE_FLAGS, ...words]),
    counted: (program) => {
      const { packetsIn, sources } = program.logged(/totals at the end/) as unknown as Totals;
      return { taken: packetsIn, lost: sources.reduce((sum, { kernelDrops }) => sum + (kernelDrops ?? Number.NaN), 0) };
    },
  };
}

/** What is read of a collector's last line. */
interface Totals {
  readonly packetsIn: number;
  readonly sources: readonly { readonly kernelDrops: number | null }[];
}

/** `rejoin agent` on an interface; `taken` are the packets that it sent copies of. */
export function agent(load: { packets: number; rate: number }): LiveContestant {
  return {
    ...{ name: "rejoin agent", ...load, ready: /agent .* started/, signal: "SIGTERM", words: ["agent --interface"] },
    start: (wire) =>
      wire.start(process.execPath, [
        ...NODE_FLAGS,
        REJOIN,
        "agent",
        "--interface",
        INTERFACE,
        "--collector",
        SINK_ADDRESS,
      ]),
    counted: (program) => {
      const { sent, reports, lost } = program.logged(/ ended/) as { sent: number; reports: number; lost: number };
      return { taken: sent - reports, lost };
    },
  };
}

/** tcpdump writing what it captures to nowhere. */
export function tcpdump(load: { packets: number; rate: number }): LiveContestant {
  return {
    ...{ name: "tcpdump -w /dev/null", ...load, ready: /listening on/, signal: "SIGINT", words: [] },
    start: (wire) => wire.start("tcpdump", ["-i", INTERFACE, "-w", "/dev/null"]),
    counted: ({ said }) => ({
      taken: Number(/(\d+) packets? captured/.exec(said)?.[1]),
      lost: Number(/(\d+) packets? dropped by kernel/.exec(said)?.[1]),
    }),
  };
}
