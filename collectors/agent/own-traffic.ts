import { type AddressRange, parseRange } from "../../src/wire/network.ts";
import { loadLibc } from "../linux/libc.ts";
import { sourceAddress } from "../linux/path-mtu.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { Target } from "./destination.ts";

/**
 * The two ends of an agent's own copies: this host, by the address it speaks to the collector from, and the collector. What
 * passes between them is never copied, in whatever it is wrapped. Null where the kernel cannot be asked, or has no route.
 */
export async function ownTraffic(target: Target): Promise<readonly [AddressRange, AddressRange] | null> {
  try {
    const source = sourceAddress(await loadLibc(), target.address);
    const own = source === null ? null : parseRange(source);
    const collector = parseRange(target.address);
    return own === null || collector === null ? null : [own, collector];
  } catch (error) {
    if (error instanceof OperationalError) return null; // no koffi: the copies are no TCP, and not selected anyway
    throw error;
  }
}
