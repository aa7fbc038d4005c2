import { readFileSync } from "node:fs";
import { OperationalError } from "../runtime/errors.ts";
import { FAILED, type Libc, loadLibc } from "./libc.ts";

const PR_SET_KEEPCAPS = 8;
const PR_SET_NO_NEW_PRIVS = 38;
/** _LINUX_CAPABILITY_VERSION_3: two structures of 32 bits each way. */
const CAPABILITY_VERSION = 0x20080522;

/** The capability that a TAP needs, and the one that packet sockets and raw sockets need (capabilities(7)). */
export const CAP_NET_ADMIN = 12;
export const CAP_NET_RAW = 13;

/**
 * What becomes another user for good, and keeps nothing of root but these capabilities, which the main thread alone has:
 * rings of interfaces that come back need CAP_NET_RAW. Rejects with an OperationalError where this process is not root, the
 * user is unknown or koffi is missing; what it resolves with throws one where the kernel refuses.
 */
export async function userChange(user: string, capabilities: readonly number[]): Promise<() => void> {
  if (process.getuid?.() !== 0) {
    throw new OperationalError("user", `user: only root can become ${user}; start as root, or leave user out`);
  }
  const group = primaryGroup(user);
  const libc = await loadLibc();
  return () => becomeUser(libc, user, group, capabilities);
}

function becomeUser(libc: Libc, user: string, group: number, capabilities: readonly number[]): void {
  const must = (result: number, what: string): void => {
    if (result !== FAILED) return;
    throw new OperationalError("user", `cannot become user ${user}: ${what} failed (${libc.errorName()})`);
  };
  must(libc.prctl(PR_SET_KEEPCAPS, 1), "prctl(PR_SET_KEEPCAPS)");
  process.setgroups?.([group]);
  process.setgid?.(group);
  process.setuid?.(user);
  const mask = capabilities.reduce((bits, capability) => bits | (1 << capability), 0);
  // Effective, permitted and inheritable, of the lower 32 capabilities and of the upper ones.
  const sets = new Uint8Array(Uint32Array.of(mask, mask, 0, 0, 0, 0).buffer);
  must(libc.capset(new Uint8Array(Uint32Array.of(CAPABILITY_VERSION, 0).buffer), sets), "capset");
  must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1), "prctl(PR_SET_NO_NEW_PRIVS)");
}

function primaryGroup(user: string): number {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${user}:`));
  const group = Number(line?.split(":")[3] ?? "");
  if (line !== undefined && Number.isInteger(group)) return group;
  throw new OperationalError("user", `user: /etc/passwd has no ${user}; \`useradd --system ${user}\` makes one`);
}
