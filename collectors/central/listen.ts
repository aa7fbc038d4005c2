import type { ListenAddress } from "../../schema/configuration/listen-address.ts";
import { ASSIGNED_PORTS, UDP_ENCAPSULATIONS } from "../../schema/encapsulation.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { UdpListen } from "./source/udp-source.ts";

/** A socket for what an operator wrote: what a port is assigned to comes there, GRE-in-UDP at any other. */
export function udpListen({ host, port, encapsulation }: ListenAddress): UdpListen {
  const assigned = UDP_ENCAPSULATIONS.find((one) => ASSIGNED_PORTS[one] === port) ?? "gre-in-udp";
  return { host, port, encapsulation: encapsulation ?? assigned };
}

/** Reads the address of `--listen-gre`: `true` (none) means both IP versions. Throws an `OperationalError` for others. */
export function parseGreListen(address: string | true): ("ipv4" | "ipv6")[] {
  if (address === true) return ["ipv4", "ipv6"];
  if (address === "0.0.0.0") return ["ipv4"];
  if (address === "::" || address === "[::]") return ["ipv6"];
  throw new OperationalError(
    "LISTEN",
    `--listen-gre ${address}: a raw socket receives at every address of the machine; write 0.0.0.0, :: or no address`,
  );
}
