import { z } from "zod";
import { SIDES } from "./session-vocabulary.ts";

/** How many of something, from 0. */
export const count = z.int().nonnegative();
/** A moment of packet time. */
export const time = z.iso.datetime().describe("ISO 8601 in UTC, with up to six digits of a second");
/** A side of a session. */
export const side = z.enum(SIDES);
/** An IP address as text. */
export const ip = z
  .union([z.ipv4(), z.ipv6().refine((text) => !text.includes("."), "IPv4 is not mapped into IPv6")])
  .describe("IPv4 dotted, never mapped into IPv6; IPv6 as RFC 5952 writes it");
/** A TCP port. */
export const port = z.int().min(0).max(65_535);
/** What other tools call the same flow. */
export const communityId = z
  .string()
  .regex(/^1:[A-Za-z0-9+/]{27}=$/)
  .describe("Community ID v1, seed 0: finds the same flow in Zeek's and Suricata's logs");
/** One octet as a number. */
export const octet = z.int().min(0).max(255);

/** One end of a flow, and what it sent. */
export const endpoint = z
  .object({
    ip,
    port,
    bytes: count.describe("IP octets this end sent, retransmissions included, mirror duplicates not"),
    packets: count.describe("IP packets this end sent, mirror duplicates not counted"),
  })
  .meta({ id: "endpoint" });
