import { hash } from "node:crypto";

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

/** Octets of a block of both hashes (FIPS 180-4 §1). */
const BLOCK_OCTETS = 64;
/** What HMAC pads keys with (RFC 2104 §2). */
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;
/** The longest message: address id, IPv6 address and port of an ADD_ADDR. */
const MAX_MESSAGE_OCTETS = 1 + 16 + 2;
/** Padded key and what follows it, written over for each HMAC. */
const inner = Buffer.alloc(BLOCK_OCTETS + MAX_MESSAGE_OCTETS);
const outer = Buffer.alloc(BLOCK_OCTETS + 32);

/**
 * HMAC (RFC 2104) of a message of at most MAX_MESSAGE_OCTETS with two keys of 8 octets as one, as hexadecimal text. Out of
 * two hashes of node:crypto, whose HMAC objects take most of their time for themselves.
 */
function hmac(name: "sha1" | "sha256", firstKey: Uint8Array, secondKey: Uint8Array, message: Uint8Array): string {
  inner.fill(INNER_PAD, 0, BLOCK_OCTETS);
  outer.fill(OUTER_PAD, 0, BLOCK_OCTETS);
  for (let i = 0; i < 8; i++) {
    inner[i]! ^= firstKey[i]!;
    inner[i + 8]! ^= secondKey[i]!;
    outer[i]! ^= firstKey[i]!;
    outer[i + 8]! ^= secondKey[i]!;
  }
  inner.set(message, BLOCK_OCTETS);
  const digest = hash(name, inner.subarray(0, BLOCK_OCTETS + message.length), "hex");
  outer.write(digest, BLOCK_OCTETS, "hex");
  const code = hash(name, outer.subarray(0, BLOCK_OCTETS + digest.length / 2), "hex");
  // Nothing of a key stays behind.
  inner.fill(0);
  outer.fill(0);
  return code;
}

const nonces = Buffer.alloc(8);

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
  nonces.writeUInt32BE(senderNonce, 0);
  nonces.writeUInt32BE(receiverNonce, 4);
  return Buffer.from(hmac(hashName(version), senderKey, receiverKey, nonces), "hex");
}

/**
 * The HMAC of an ADD_ADDR, 32 octets, of which the wire carries the rightmost 8 (RFC 8684 §3.4.1): keyed with the
 * sender's key then the receiver's, over address id, address and port, which is 0 where the option names none.
 */
export function addAddrHmac(senderKey: Uint8Array, receiverKey: Uint8Array, announced: Uint8Array): Buffer {
  return Buffer.from(hmac("sha256", senderKey, receiverKey, announced), "hex");
}
