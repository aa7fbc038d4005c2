import { createHmac, hash } from "node:crypto";

/** What a key yields, as big-endian words: the token, and the initial data sequence number (RFC 8684 §3.1, §3.2). */
export interface KeyDigest {
  readonly token: number;
  readonly idsnHi: number;
  readonly idsnLo: number;
}

/** Version 0 hashes with SHA-1 (RFC 6824 §3.2), version 1 with SHA-256 (RFC 8684 §3.2). */
const hashName = (version: number): "sha1" | "sha256" => (version === 0 ? "sha1" : "sha256");

/** Token (most significant 32 bits of the key's hash) and IDSN (least significant 64 bits) of an 8-octet key. */
export function digestKey(key: Uint8Array, version: number): KeyDigest {
  // As text: node:crypto makes a Buffer at four times the cost.
  const hex = hash(hashName(version), key, "hex");
  const word = (at: number): number => Number.parseInt(hex.slice(at, at + 8), 16);
  return { token: word(0), idsnHi: word(hex.length - 16), idsnLo: word(hex.length - 8) };
}

/**
 * The HMAC of a join as its sender computes it: keyed with the sender's key then the receiver's, over the sender's nonce
 * then the receiver's (RFC 8684 §3.2). The wire carries its leftmost 8 or 20 octets.
 */
export function joinHmac(
  version: number,
  senderKey: Uint8Array,
  receiverKey: Uint8Array,
  senderNonce: number,
  receiverNonce: number,
): Buffer {
  const message = Buffer.alloc(8);
  message.writeUInt32BE(senderNonce, 0);
  message.writeUInt32BE(receiverNonce, 4);
  return createHmac(hashName(version), Buffer.concat([senderKey, receiverKey]))
    .update(message)
    .digest();
}

/**
 * The HMAC of an ADD_ADDR, 32 octets, of which the wire carries the rightmost 8 (RFC 8684 §3.4.1): keyed with the
 * sender's key then the receiver's, over address id, address and port, which is 0 where the option names none.
 */
export function addAddrHmac(senderKey: Uint8Array, receiverKey: Uint8Array, announced: Uint8Array): Buffer {
  return createHmac("sha256", Buffer.concat([senderKey, receiverKey]))
    .update(announced)
    .digest();
}
