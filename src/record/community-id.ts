import { hash } from "node:crypto";
import { PROTOCOL_TCP } from "../wire/ipv4.ts";

/**
 * Community ID version 1 with seed 0 of a TCP flow (https://github.com/corelight/community-id-spec): the name by which
 * Zeek and Suricata know it. Addresses are words as in a flow key, of which IPv4 uses the first; ends come in any order.
 */
export function communityId(isIpv6: boolean, a: Endpoint, b: Endpoint): string {
  const words = isIpv6 ? 4 : 1;
  const [first, second] = isBefore(a, b, words) ? [a, b] : [b, a];
  const input = Buffer.alloc(2 + words * 8 + 6);
  let at = 2;
  for (const { address } of [first, second]) {
    for (let word = 0; word < words; word++) at = input.writeUInt32BE(address[word] ?? 0, at);
  }
  input.writeUInt8(PROTOCOL_TCP, at);
  input.writeUInt16BE(first.port, at + 2);
  input.writeUInt16BE(second.port, at + 4);
  return `1:${hash("sha1", input, "base64")}`;
}

interface Endpoint {
  readonly address: ArrayLike<number>;
  readonly port: number;
}

function isBefore(a: Endpoint, b: Endpoint, words: number): boolean {
  for (let word = 0; word < words; word++) {
    const difference = (a.address[word] ?? 0) - (b.address[word] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return a.port < b.port;
}
