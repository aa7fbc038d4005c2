import { createHash } from "node:crypto";

const PROTOCOL_TCP = 6;

/**
 * Community ID version 1 with seed 0 of a TCP flow (https://github.com/corelight/community-id-spec): the name by which
 * Zeek and Suricata know it. Addresses are words as in a flow key, of which IPv4 uses the first; ends come in any order.
 */
export function communityId(
  isIpv6: boolean,
  a: { readonly address: ArrayLike<number>; readonly port: number },
  b: { readonly address: ArrayLike<number>; readonly port: number },
): string {
  const octets = isIpv6 ? 16 : 4;
  const endpoint = ({ address, port }: typeof a): { address: Buffer; port: number } => {
    const buffer = Buffer.alloc(octets);
    for (let word = 0; word < octets / 4; word++) buffer.writeUInt32BE(address[word] ?? 0, word * 4);
    return { address: buffer, port };
  };
  const ends = [endpoint(a), endpoint(b)].sort((x, y) => x.address.compare(y.address) || x.port - y.port);
  const input = Buffer.alloc(2 + octets * 2 + 6);
  let at = 2;
  for (const { address } of ends) at += address.copy(input, at);
  input.writeUInt8(PROTOCOL_TCP, at);
  for (const [i, { port }] of ends.entries()) input.writeUInt16BE(port, at + 2 + i * 2);
  return `1:${createHash("sha1").update(input).digest("base64")}`;
}
