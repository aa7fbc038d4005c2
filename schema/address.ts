import { z } from "zod";
import { ip, octet, port, side, time } from "./values.ts";
import { finding } from "./verdicts.ts";

/** An address that a side announced or took back. */
export const address = z
  .object({
    side: side.describe("Whose address it is"),
    address_id: octet,
    ip: ip.nullable().describe("null where only the removal was seen"),
    port: port.nullable().describe("null where the option names none"),
    at: time.nullable().describe("First ADD_ADDR that was not an echo; null where only the removal was seen"),
    removed_at: time.nullable().describe("First REMOVE_ADDR after it; null when there was none"),
    echoed_at: time.nullable().optional().describe("The other side's first echo of it; null when there was none"),
    hmac: finding
      .nullable()
      .optional()
      .describe("Of the ADD_ADDR; null where it has none: in version 0, and where only the removal was seen"),
    hmac_form: z
      .enum(["rightmost", "leftmost"])
      .optional()
      .describe("The 64 bits of a verified HMAC that were sent; receivers want the rightmost, old kernels sent others"),
  })
  .meta({ id: "address", description: "An address a side announced or took back (RFC 8684 §3.4)" });

/** One announced address in a session record. */
export type AddressRecord = z.infer<typeof address>;
