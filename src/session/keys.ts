import { hash } from "node:crypto";

/** What a key yields, as big-endian words: the token, and the initial data sequence number (RFC 8684 §3.1, §3.2). */
export interface KeyDigest {
  readonly token: number;
  readonly idsnHi: number;
  readonly idsnLo: number;
}

/** Octets of a block of both hashes (FIPS 180-4 §1). */
const BLOCK_OCTETS = 64;
/** What HMAC pads keys with (RFC 2104 §2), as words. */
const INNER_PAD = 0x36363636;
const OUTER_PAD = 0x5c5c5c5c;
/** The longest message: address id, IPv6 address and port of an ADD_ADDR. */
const MAX_MESSAGE_OCTETS = 1 + 16 + 2;
/** Padded keys and what follows them, written over for each HMAC; the first one for keys alone, too. */
const inner = new Uint8Array(BLOCK_OCTETS + MAX_MESSAGE_OCTETS);
const outer = new Uint8Array(BLOCK_OCTETS + 32);
const innerView = new DataView(inner.buffer);
const outerView = new DataView(outer.buffer);
/** Their parts that are hashed: a key, two keys and two nonces, two keys and a hash of either kind. */
const KEY = inner.subarray(0, 8);
const KEYS_AND_NONCES = inner.subarray(0, BLOCK_OCTETS + 8);
const KEYS_AND_HASH = { sha1: outer.subarray(0, BLOCK_OCTETS + 20), sha256: outer };

/** Version 0 hashes with SHA-1 (RFC 6824 §3.2), version 1 with SHA-256 (RFC 8684 §3.2). */
const hashName = (version: number): "sha1" | "sha256" => (version === 0 ? "sha1" : "sha256");

/** Four octets from `at` of octets written as text of one character each, as a big-endian word. */
export function wordOf(octets: string, at: number): number {
  const high = (octets.charCodeAt(at) << 8) | octets.charCodeAt(at + 1);
  return ((high << 16) | (octets.charCodeAt(at + 2) << 8) | octets.charCodeAt(at + 3)) >>> 0;
}

/** Token (most significant 32 bits of the key's hash) and IDSN (least significant 64 bits) of the key in two words from `at`. */
export function digestKey(words: Uint32Array, at: number, version: number): KeyDigest {
  innerView.setUint32(0, words[at]!);
  innerView.setUint32(4, words[at + 1]!);
  // As text: node:crypto makes a Buffer at four times the cost.
  const digest = hash(hashName(version), KEY, "binary");
  KEY.fill(0);
  return {
    token: wordOf(digest, 0),
    idsnHi: wordOf(digest, digest.length - 8),
    idsnLo: wordOf(digest, digest.length - 4),
  };
}

/**
 * HMAC (RFC 2104), keyed with two keys of two words each as one, of what stands behind the block in `padded`, a part of
 * `inner`; as text of one character per octet. Out of two hashes of node:crypto, whose HMAC objects take most of their time for
 * themselves.
 */
function hmac(
  name: "sha1" | "sha256",
  words: Uint32Array,
  firstAt: number,
  secondAt: number,
  padded: Uint8Array,
): string {
  for (let at = 0; at < BLOCK_OCTETS; at += 4) {
    const key = at < 8 ? words[firstAt + (at >> 2)]! : at < 16 ? words[secondAt + (at >> 2) - 2]! : 0;
    innerView.setUint32(at, key ^ INNER_PAD);
    outerView.setUint32(at, key ^ OUTER_PAD);
  }
  const digest = hash(name, padded, "binary");
  for (let at = 0; at < digest.length; at += 4) outerView.setUint32(BLOCK_OCTETS + at, wordOf(digest, at));
  const code = hash(name, KEYS_AND_HASH[name], "binary");
  // Nothing of a key stays behind.
  inner.fill(0);
  outer.fill(0);
  return code;
}

/**
 * The HMAC of a join as its sender computes it: keyed with the sender's key then the receiver's, two words of `words` each,
 * over the sender's nonce then the receiver's (RFC 8684 §3.2). Text of one character per octet, of which the wire carries
 * the leftmost 8 or 20.
 */
export function joinHmac(
  version: number,
  words: Uint32Array,
  senderKeyAt: number,
  receiverKeyAt: number,
  senderNonce: number,
  receiverNonce: number,
): string {
  innerView.setUint32(BLOCK_OCTETS, senderNonce);
  innerView.setUint32(BLOCK_OCTETS + 4, receiverNonce);
  return hmac(hashName(version), words, senderKeyAt, receiverKeyAt, KEYS_AND_NONCES);
}

/**
 * The HMAC of an ADD_ADDR, 32 octets, of which the wire carries the rightmost 8 (RFC 8684 §3.4.1): keyed with the
 * sender's key then the receiver's, two words of `words` each, over address id, address and port, which is 0 where the
 * option names none.
 */
export function addAddrHmac(
  words: Uint32Array,
  senderKeyAt: number,
  receiverKeyAt: number,
  announced: Uint8Array,
): Buffer {
  inner.set(announced, BLOCK_OCTETS);
  const padded = inner.subarray(0, BLOCK_OCTETS + announced.length);
  return Buffer.from(hmac("sha256", words, senderKeyAt, receiverKeyAt, padded), "binary");
}
