import type { Rule } from "./finding.ts";

/** The HMAC of an ADD_ADDR is wrong (RFC 8684 §3.4.1): somebody who does not know the keys announced an address. */
export const addressHmacFailed: Rule = ({ mptcp }) =>
  mptcp.addresses
    .filter(({ hmac }) => hmac?.verdict === "failed")
    .map(({ side, address_id, ip, port }) => ({
      kind: "address-hmac-failed",
      subject: `${side}-${address_id}-${ip}-${port}`,
      subflow: null,
      side,
      message: `address ${ip} with id ${address_id} was announced for the ${side} with a wrong HMAC`,
    }));
