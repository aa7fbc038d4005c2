import { BlockList, isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressText, ipv4Text, ipv6Text, parseAddress } from "../../src/wire/address.ts";
import { addressOctets } from "../support/packets.ts";

const group = fc.oneof(fc.constant(0), fc.nat(0xffff));
const words = fc
  .array(group, { minLength: 8, maxLength: 8 })
  .map((g) => [0, 2, 4, 6].map((i) => (((g[i] ?? 0) << 16) | (g[i + 1] ?? 0)) >>> 0));

/** The text that Node's URL parser, which follows RFC 5952 too, gives an IPv6 address. */
const urlText = (text: string): string => new URL(`http://[${text}]/`).hostname.slice(1, -1);

describe("IPv6 text (RFC 5952)", () => {
  it("is what Node's URL gives, and is parsed back", () => {
    fc.assert(
      fc.property(words, (address) => {
        const text = ipv6Text(address);
        expect(isIP(text)).toBe(6);
        expect(text).toBe(urlText(text));
        expect(parseAddress(text)).toEqual({ family: 6, words: address });
        const octets = addressOctets(text);
        expect(addressText(new DataView(Uint8Array.from(octets).buffer), 0, 6)).toBe(text);
      }),
    );
  });

  it.each([
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["2001:DB8::A", "2001:db8::a"],
    ["::ffff:192.0.2.1", "::ffff:c000:201"],
    ["64:ff9b::10.0.0.1", "64:ff9b::a00:1"],
  ])("%s is %s", (text, expected) => {
    expect(ipv6Text(parseAddress(text)?.words ?? [])).toBe(expected);
  });
});

describe("IPv4 text", () => {
  it("is dotted, and is parsed back", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), (word) => {
        expect(isIP(ipv4Text(word))).toBe(4);
        expect(parseAddress(ipv4Text(word))).toEqual({ family: 4, words: [word, 0, 0, 0] });
      }),
    );
  });
});

describe("parseAddress", () => {
  it("takes what Node's isIP takes, and nothing else", () => {
    const pieces = fc.constantFrom(
      "0",
      "1",
      "ffff",
      "10000",
      "g",
      ":",
      "::",
      ".",
      "255",
      "256",
      "1.2.3.4",
      "db8",
      "%1",
      "/",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 16 }), (parts) => {
        const text = parts.join("");
        // Zones are no part of an address in a packet.
        fc.pre(!text.includes("%"));
        expect(parseAddress(text)?.family ?? 0).toBe(isIP(text));
      }),
      { numRuns: 2000 },
    );
  });

  it("means the same address as Node does", () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const parsed = parseAddress(text);
        const list = new BlockList();
        list.addAddress(ipv6Text(parsed?.words ?? []), "ipv6");
        expect(list.check(text, "ipv6")).toBe(true);
      }),
    );
  });
});
