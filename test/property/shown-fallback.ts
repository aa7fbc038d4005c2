import type { SessionRecord } from "../../schema/session-record.ts";
import { RST, SYN } from "../support/packets.ts";
import { isMptcp, type Mapping, type Packet } from "../support/simulator/network.ts";
import type { Copy } from "../support/simulator/watch.ts";

type Cause = NonNullable<SessionRecord["mptcp"]["fallback"]>["cause"];

/** Something that shows an observer that a session is plain TCP, for certain or perhaps. */
export interface Shown {
  readonly cause: Cause;
  readonly isCertain: boolean;
  readonly packet: Packet;
}

/** What copies of the only session show of its fallback (RFC 8684 §3.7), in the order in which they come. */
export function shownFallbacks(copies: readonly Copy[]): Shown[] {
  const shown: Shown[] = [];
  const subflows = new Set<number>();
  let haveOthersBrought = false;
  const failedBy = new Set<string>();
  const newest = new Map<string, Mapping>();
  let isConfirmed = false;
  let isReset = false;
  for (const { packet } of copies) {
    const { said, meaning, payload, flags, seq } = packet;
    const { subflow, side } = meaning;
    const direction = `${subflow} ${side}`;
    const ssn = (seq - meaning.isn) >>> 0;
    const show = (cause: Cause, isCertain: boolean): void => {
      const isAnnounced = failedBy.size > 0 && cause !== "ack-without-option";
      shown.push({ cause: isAnnounced ? "checksum" : cause, isCertain: isCertain && subflows.size === 1, packet });
    };
    subflows.add(subflow);
    if (said.mapping !== undefined && said.mapping.length > 0) {
      const known = newest.get(direction);
      if (known === undefined || said.mapping.ssn > known.ssn) newest.set(direction, said.mapping);
    }
    if (said.dataAck !== undefined || said.mapping !== undefined || meaning.tags.includes("ack")) {
      isConfirmed ||= subflow === 0 && isMptcp(packet);
    }
    isReset ||= (flags & RST) !== 0;
    if (said.infinite !== undefined) show("infinite-mapping", true);
    if (said.fail !== undefined) {
      failedBy.add(direction);
      if (failedBy.has(`${subflow} 0`) && failedBy.has(`${subflow} 1`)) show("checksum", !isReset);
    }
    haveOthersBrought ||= subflow !== 0 && payload.length > 0;
    if (payload.length === 0 || flags & SYN || isMptcp(packet) || subflow !== 0) continue;
    const mapped = newest.get(direction);
    const next = mapped === undefined ? 1 : mapped.ssn + mapped.length;
    // What other subflows have brought may come again on the one that is left, in no step with it.
    if (isConfirmed && haveOthersBrought) continue;
    if (isConfirmed) show("data-without-option", ssn === next);
    else show("ack-without-option", ssn === 1);
  }
  return shown;
}
