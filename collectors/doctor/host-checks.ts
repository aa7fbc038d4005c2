import { createSocket } from "node:dgram";
import { FAILED } from "../linux/libc.ts";
import { CAP_NET_ADMIN, CAP_NET_RAW } from "../linux/privileges.ts";
import { type Check, findingsOf } from "./finding.ts";
import type { Machine } from "./machine.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;

const NAMES: Readonly<Record<number, string>> = { [CAP_NET_ADMIN]: "CAP_NET_ADMIN", [CAP_NET_RAW]: "CAP_NET_RAW" };

/** Whether the kernel is as new as something needs: `since`, `[5, 16]`, and in words. */
export function kernelCheck({ kernel }: Machine, since: readonly [number, number], need: string): Check {
  const what = "kernel";
  const { ok, fail } = findingsOf(what);
  const isNew = kernel[0] > since[0] || (kernel[0] === since[0] && kernel[1] >= since[1]);
  const version = `Linux ${kernel.join(".")}`;
  return {
    what,
    look: () =>
      isNew ? ok(`${version} has ${need}`) : fail(`${version}: ${need} came with ${since.join(".")}; use a newer one`),
  };
}

/** Whether the C library can be called; `without` says what is done then, null where nothing can be. */
export function koffiCheck({ libc, withoutLibc }: Machine, without: string | null): Check {
  const what = "koffi";
  const { ok, warn, fail } = findingsOf(what);
  return {
    what,
    look: () => {
      if (libc !== null) return ok("the C library can be called");
      return without === null ? fail(withoutLibc) : warn(`${withoutLibc}: ${without}`);
    },
  };
}

/** Whether this process may do what `need` says. */
export function capabilityCheck(machine: Machine, capability: number, need: string): Check {
  const what = "capabilities";
  const { ok, fail } = findingsOf(what);
  const name = NAMES[capability] ?? `capability ${capability}`;
  return {
    what,
    look: () =>
      machine.can(capability)
        ? ok(`${name}, for ${need}`)
        : fail(`${name} is missing, for ${need}: start as root, or with AmbientCapabilities=${name} of systemd`),
  };
}

/** Whether the kernel gives this process a packet socket, by asking for one. */
export function packetSocketCheck({ libc }: Machine): Check {
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
      const how = error === "EPERM" ? "CAP_NET_RAW is missing, or a sandbox forbids it" : "modprobe af_packet";
      return fail(`the kernel gives no packet socket (${error}): ${how}`);
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
