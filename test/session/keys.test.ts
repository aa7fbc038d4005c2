import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addAddrHmac, digestKey, joinHmac } from "../../src/session/keys.ts";
import { hex } from "../support/pcap.ts";

const KEY_A = hex("0706050403020100");
const KEY_B = hex("0f0e0d0c0b0a0908");
/** Two keys as the table of sessions has them, one from word 0, the other from word 2. */
const words = (a: Uint8Array, b: Uint8Array): Uint32Array => {
  const both = Buffer.concat([a, b]);
  return Uint32Array.from([0, 4, 8, 12], (at) => both.readUInt32BE(at));
};

describe("what keys yield", () => {
  // python3: d = hashlib.sha1(bytes.fromhex("0706050403020100")).digest(); d[:4].hex(), d[-8:].hex(); then sha256
  it.each([
    [0, 0x9c62f634, 0x4c2288a5, 0x4513dd15],
    [1, 0x033fc8b9, 0x4c63560d, 0x71b8a821],
  ])("version %i: token and IDSN", (version, token, idsnHi, idsnLo) => {
    expect(digestKey(words(KEY_B, KEY_A), 2, version)).toEqual({ token, idsnHi, idsnLo });
  });

  // python3: hmac.new(key_a + key_b, bytes.fromhex("0102030405060708"), hashlib.sha1).hexdigest(); then sha256
  it.each([
    [0, "bfa80d00795d72fd1531f8e1472d902d140c6fbe"],
    [1, "c762015f08668ddecd8e5cf52f879d6f8ab187b4180f932da2330d9c1bd5ee8b"],
  ])("version %i: the HMAC of a join", (version, expected) => {
    const made = joinHmac(version, words(KEY_B, KEY_A), 2, 0, 0x01020304, 0x05060708);
    expect(Buffer.from(made, "binary").toString("hex")).toBe(expected);
  });

  const key = fc.uint8Array({ minLength: 8, maxLength: 8 });

  it("HMACs are those of node:crypto", () => {
    fc.assert(
      fc.property(
        key,
        key,
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        fc.constantFrom(0, 1),
        (a, b, both, version) => {
          const nonces = Buffer.from(both);
          const made = joinHmac(version, words(a, b), 0, 2, nonces.readUInt32BE(0), nonces.readUInt32BE(4));
          const hmac = createHmac(version === 0 ? "sha1" : "sha256", Buffer.concat([a, b]));
          expect(made).toBe(hmac.update(nonces).digest("binary"));
        },
      ),
    );
    fc.assert(
      fc.property(key, key, fc.uint8Array({ minLength: 7, maxLength: 19 }), (a, b, announced) => {
        const hmac = createHmac("sha256", Buffer.concat([a, b]));
        expect(addAddrHmac(words(a, b), 0, 2, announced).equals(hmac.update(announced).digest())).toBe(true);
      }),
    );
  });
});
