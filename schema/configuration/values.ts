import { z } from "zod";
import { LISTEN_FORM, readListenAddress } from "./listen-address.ts";
import { parsePortRange } from "./port-range.ts";

/** Something that a configuration says, and that its schema alone cannot refuse. */
export interface ConfigurationFault {
  /** The key that somebody has to change. */
  readonly path: readonly PropertyKey[];
  /** What is wrong and what to do, without the key. */
  readonly message: string;
}

/** Seconds between two of something, or given to it; a day at most, which timers can count. */
export const seconds = z.int().min(1).max(86_400);

/** A size in units of 1,048,576 octets, a tebibyte at most. */
export const mebibytes = z.int().min(1).max(1_048_576);

/** A key of RFC 2890: 32 bits. */
export const greKey = z.int().min(0).max(0xffffffff);

/** An IP address as text, or a network: 192.0.2.0/24 (RFC 4632 §3.1, RFC 4291 §2.3). No zone, no zeros in front. */
export const addressRange = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]);

/** A TCP port, or a range of them: 8000-8999. */
export const portRange = z
  .union([z.int().min(0).max(65_535), z.string()])
  .refine((value) => parsePortRange(String(value)) !== null, "write a port from 0 to 65535, or a range: 8000-8999");

/** Packets a second. */
export const packetsPerSecond = z.int().min(1).max(100_000_000);

/** Where a UDP socket is bound: a port, or address and port. */
export const listenAddress = z
  .union([z.int().min(0).max(65_535), z.string()])
  .refine((value) => readListenAddress(String(value)) !== null, LISTEN_FORM);

/** Something that is never printed, out of a file or the environment by reference. */
export const secret = z.string().min(1).nullable().default(null);

/** Where an admin server listens: a port of loopback, or address and port. */
export const adminAddress = z
  .union([z.int().min(0).max(65_535), z.string()])
  .refine(
    (value) => readListenAddress(String(value))?.encapsulation === null,
    "write a port, which is one of 127.0.0.1, or address and port: 9464, 0.0.0.0:9464 or [::]:9464",
  );

/** What is logged, and how often counts are. */
export const log = z.strictObject({
  level: z
    .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
    .default("info")
    .describe("Least weight of a line that is logged"),
  reportSeconds: seconds.default(60).describe("Seconds between two lines of counts"),
});
