import { z } from "zod";
import { seconds } from "./values.ts";

/** Where rules of the kernel copy packets to: to the agent, or in an encapsulation of the kernel's own past it. */
export const MIRROR_DEVICES = ["tap", "vxlan", "gre"] as const;
/** An entry of MIRROR_DEVICES. */
export type MirrorDevice = (typeof MIRROR_DEVICES)[number];

/** How an agent's kernel copies, where `capture.method` is nft or tc. */
export const mirror = z.strictObject({
  name: z
    .string()
    // What a shell, nft, tc and ip take as it is, and what leaves room for what is added to it.
    .refine((text) => /^rejoin[a-z0-9]{0,5}$/.test(text), "write rejoin, and at most five letters or digits behind it")
    .default("rejoin")
    .describe(
      "Of the nftables table and the device that takes the copies, rejoin...; agents of one host have different ones",
    ),
  device: z
    .enum(MIRROR_DEVICES)
    .default("tap")
    .describe(
      "tap: the agent reads the copies and sends them on; vxlan, gre: the kernel itself sends them to the collector",
    ),
  idleSeconds: seconds
    .default(300)
    .describe("A flow without a packet for so long is forgotten; its next packet with an MPTCP option is copied again"),
});
