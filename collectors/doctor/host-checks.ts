import { createSocket } from "node:dgram";
import { FAILED } from "../linux/libc.ts";
import { CAP_NET_ADMIN, CAP_NET_RAW } from "../linux/privileges.ts";
import { SOCK_RAW } from "../linux/socket-address.ts";
import { type Check, type Finding, findingsOf } from "./finding.ts";
import type { Machine } from "./machine.ts";

const AF_PACKET = 17;

const NAMES: Readonly<Record<number, string>> = { [CAP_NET_ADMIN]: "CAP_NET_ADMIN", [CAP_NET_RAW]: "CAP_NET_RAW" };

/** Whether the kernel is as new as something needs: `since`, `[5, 16]`, and in words. */
export function kernelCheck({ kernel }: Machine, since: readonly [number, number], need: string): Check {
  const what = "kernel";
  const { ok, fail } = findingsOf(what);
  const version = `Linux ${kernel.join(".")}`;
  return {
    what,
    look: () =>
      isSince(kernel, since)
        ? ok(`${version} has ${need}`)
        : fail(`${version}: ${need} came with ${since.join(".")}; use a newer one`),
  };
}

/**
 * Whether packet rings on these interfaces have what an agent of the same host sends together over UDP (UDP_SEGMENT of
 * Linux): before 6.2 a packet socket with headers of offloads drops it.
 */
export function joinedCopiesCheck({ kernel }: Machine, names: readonly string[]): Check {
  const what = "kernel";
  const { ok, warn } = findingsOf(what);
  const version = `Linux ${kernel.join(".")}`;
  return {
    what,
    look: () => {
      if (isSince(kernel, [6, 2]))
        return ok(`${version} has packet rings for what an agent of this host sends together`);
      const commands = names.map((name) => `ethtool -K ${name} tx-udp-segmentation off`).join("; ");
      return warn(
        `${version} drops at packet rings what an agent of this host sends together over UDP, which came with 6.2: ` +
          `where there is one, ${commands} (of a veth, its other end)`,
      );
    },
  };
}

function isSince(kernel: Machine["kernel"], since: readonly [number, number]): boolean {
  return kernel[0] > since[0] || (kernel[0] === since[0] && kernel[1] >= since[1]);
}

/** Whether the C library can be called, for `need`; `instead` says what is done without, null where nothing can be. */
export function koffiCheck({ libc, withoutLibc }: Machine, need: string, instead: string | null): Check {
  const what = "koffi";
  const { ok } = findingsOf(what);
  return {
    what,
    look: () =>
      libc !== null ? ok("the C library can be called") : lack(what, `${withoutLibc}, for ${need}`, instead),
  };
}

/** Whether package raw-socket can be used, for `need`; `instead` says what is done without, null where nothing can be. */
export function rawSocketCheck({ hasRawSocket }: Machine, need: string, instead: string | null): Check {
  const what = "raw-socket";
  const { ok } = findingsOf(what);
  const missing = `package raw-socket cannot be used, for ${need} (npm rebuild raw-socket, with a compiler, says why)`;
  return { what, look: () => (hasRawSocket ? ok(`can be used, for ${need}`) : lack(what, missing, instead)) };
}

/** Whether this process may do what `need` says; `instead` says what is done without, null where nothing can be. */
export function capabilityCheck(
  machine: Machine,
  capability: number,
  need: string,
  instead: string | null = null,
): Check {
  const what = "capabilities";
  const { ok } = findingsOf(what);
  const name = NAMES[capability] ?? `capability ${capability}`;
  const missing = `${name} is missing, for ${need}: start as root, or with AmbientCapabilities=${name} of systemd`;
  return {
    what,
    look: () => (machine.can(capability) ? ok(`${name}, for ${need}`) : lack(what, missing, instead)),
  };
}

/** What is not there: a failure, but where something takes its place. */
function lack(what: string, text: string, instead: string | null): Finding[] {
  const { warn, fail } = findingsOf(what);
  return instead === null ? fail(text) : warn(`${text}; ${instead}`);
}

/**
 * Whether the kernel gives this process a packet socket, by asking for one; `instead` says what is done where that is
 * forbidden, null where nothing can be.
 */
export function packetSocketCheck({ libc }: Machine, instead: string | null = null): Check {
  const what = "AF_PACKET";
  const { ok, warn, fail } = findingsOf(what);
  return {
    what,
    look: () => {
      if (libc === null) return warn("cannot be tried without koffi");
      const fd = libc.socket(AF_PACKET, SOCK_RAW, 0);
      if (fd !== FAILED) {
        libc.close(fd);
        return ok("the kernel gives a packet socket");
      }
      const error = libc.errorName();
      const text = `the kernel gives no packet socket (${error})`;
      if (error !== "EPERM" && error !== "EACCES") return fail(`${text}: modprobe af_packet`);
      return lack(what, `${text}: CAP_NET_RAW is missing, or a sandbox forbids it`, instead);
    },
  };
}

/** Whether nftables is as new as rules need, version 1.0. */
export function nftCheck(machine: Machine, need: string): Check {
  const what = "nft";
  const { ok, fail } = findingsOf(what);
  return {
    what,
    look: async () => {
      const [, version, major] = /v((\d+)\.\d+\S*)/.exec((await machine.output("nft", "--version")) ?? "") ?? [];
      if (version === undefined) return fail(`nft is missing, for ${need}: install nftables 1.0 or newer`);
      return Number(major) >= 1 ? ok(`nftables ${version}`) : fail(`nftables ${version}: ${need} needs 1.0 or newer`);
    },
  };
}

/** Whether a program is there. */
export function programCheck(machine: Machine, program: string, arg: string, need: string): Check {
  const { ok, fail } = findingsOf(program);
  return {
    what: program,
    look: async () =>
      (await machine.output(program, arg)) === null ? fail(`${program} is missing, for ${need}: install it`) : ok(need),
  };
}

/** Whether the kernel has room for the filter that knows 32,768 flows: net.core.optmem_max, Linux's own value since 6.8. */
export function filterRoomCheck(machine: Machine): Check {
  const what = "kernel filter";
  const { ok, warn } = findingsOf(what);
  const least = 131_072;
  return {
    what,
    look: () => {
      const room = machine.parameter("net/core/optmem_max");
      // In a network namespace of its own it is not to be seen, and what the host says holds.
      if (room === null) return ok("net.core.optmem_max is not to be seen here; the agent takes what it gets");
      if (room >= least) return ok(`net.core.optmem_max is ${room}`);
      return warn(
        `net.core.optmem_max is ${room}: fewer flows are told apart in the kernel, and more plain packets come up; ` +
          `sysctl -w net.core.optmem_max=${least}`,
      );
    },
  };
}

/** Whether a socket gets the receive buffer that is asked for, by asking for it. */
export function receiveBufferCheck(machine: Machine, asked: number): Check {
  const what = "receive buffer";
  const { ok, warn } = findingsOf(what);
  return {
    what,
    look: async () => {
      const granted = machine.libc !== null && machine.can(CAP_NET_ADMIN) ? asked : await grantedBuffer(asked);
      if (granted >= asked) return ok(`the kernel queues ${asked} octets for a socket`);
      return warn(
        `the kernel queues ${granted} octets for a socket, of ${asked} that are asked for, and drops copies in bursts: ` +
          `sysctl -w net.core.rmem_max=${asked}`,
      );
    },
  };
}

/** The kernel doubles what it is asked for, for what it needs itself. */
function grantedBuffer(asked: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.once("error", reject);
    socket.bind(0, "127.0.0.1", () => {
      socket.setRecvBufferSize(asked);
      const granted = Math.floor(socket.getRecvBufferSize() / 2);
      socket.close(() => resolve(granted));
    });
  });
}
