import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { release } from "node:os";
import { INTERFACES, presentInterfaces } from "../linux/interfaces.ts";
import { type Libc, loadLibc } from "../linux/libc.ts";
import { OperationalError } from "../runtime/errors.ts";
import { programOutput } from "../runtime/program-output.ts";

/** Programs that are asked answer at once, or not at all. */
const PATIENCE_MS = 5000;
const LOOPBACK = "lo";

/** An interface of a machine. */
export interface Interface {
  readonly name: string;
  readonly mtu: number;
  readonly isUp: boolean;
}

/** What a machine tells of itself. */
export interface Machine {
  /** Major and minor number of its kernel. */
  readonly kernel: readonly [number, number];
  /** Null where package koffi is missing; `withoutLibc` says why. */
  readonly libc: Libc | null;
  readonly withoutLibc: string;
  /** Package raw-socket is there, and was built. */
  readonly hasRawSocket: boolean;
  /** Whether this process has a capability, by its number (capabilities(7)). */
  can(capability: number): boolean;
  /** All but the loopback device. */
  interfaces(): readonly Interface[];
  /** A kernel parameter by its name with slashes, `net/core/rmem_max`; null where there is none. */
  parameter(name: string): number | null;
  /** What a program prints; null where it is missing or fails. */
  output(program: string, ...args: readonly string[]): Promise<string | null>;
}

/** The machine that this process runs on, as far as its namespaces and privileges let it see. */
export async function thisMachine(): Promise<Machine> {
  let libc: Libc | null = null;
  let withoutLibc = "";
  try {
    libc = await loadLibc();
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    withoutLibc = error.message;
  }
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(read("/proc/self/status") ?? "")?.[1] ?? "0"}`);
  const [major = 0, minor = 0] = release()
    .split(".")
    .map((part) => Number.parseInt(part, 10));
  return {
    kernel: [major, minor],
    libc,
    withoutLibc,
    hasRawSocket: hasRawSocket(),
    can: (capability) => ((effective >> BigInt(capability)) & 1n) === 1n,
    interfaces: () =>
      presentInterfaces()
        .filter((name) => name !== LOOPBACK)
        .map((name) => interfaceOf(name)),
    parameter: (name) => {
      const value = read(`/proc/sys/${name}`);
      return value === null ? null : Number(value);
    },
    output: async (program, ...args) => {
      const { stdout, end, cut } = await programOutput(program, args, PATIENCE_MS);
      return end === 0 && cut === null ? stdout : null;
    },
  };
}

function hasRawSocket(): boolean {
  try {
    createRequire(import.meta.url)("raw-socket");
    return true;
  } catch {
    return false;
  }
}

function interfaceOf(name: string): Interface {
  const flags = Number(read(`${INTERFACES}/${name}/flags`) ?? "0");
  // IFF_UP, and what carries: a veth without its other end is up and hears nothing.
  const isUp = (flags & 1) !== 0 && (read(`${INTERFACES}/${name}/carrier`) ?? "1") === "1";
  return { name, mtu: Number(read(`${INTERFACES}/${name}/mtu`) ?? "0"), isUp };
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
}
