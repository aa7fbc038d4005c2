import fc from "fast-check";
import { expect, it, test } from "vitest";
import {
  clip,
  counted,
  fill,
  grouped,
  hostPort,
  humanOctets,
  milliseconds,
  pad,
  printable,
  printableJson,
  wrapped,
} from "../../collectors/terminal/text.ts";

it.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.00 kB"],
  [9994, "9.99 kB"],
  [9995, "10.0 kB"],
  [99_949, "99.9 kB"],
  [99_950, "100 kB"],
  [999_499, "999 kB"],
  [999_500, "1.00 MB"],
  [3_145_819, "3.15 MB"],
  [Number.MAX_SAFE_INTEGER, "9.01 PB"],
])("%d octets are %s", (octets, text) => {
  expect(humanOctets(octets)).toBe(text);
});

test("octets take at most seven columns", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (octets) => humanOctets(octets).length <= 7));
});

test("whole numbers are grouped by thousands", () => {
  expect([0, 999, 1000, 1234567].map(grouped)).toEqual(["0", "999", "1,000", "1,234,567"]);
  expect([counted(1, "hole"), counted(0, "hole"), counted(2000, "hole")]).toEqual(["1 hole", "0 holes", "2,000 holes"]);
});

test("an IPv6 address stands in brackets before its port", () => {
  expect(hostPort({ ip: "10.10.1.2", port: 80 })).toBe("10.10.1.2:80");
  expect(hostPort({ ip: "2001:db8::2", port: 80 })).toBe("[2001:db8::2]:80");
});

test("cut text says so, filled text has its width", () => {
  expect(clip("router1", 7)).toBe("router1");
  expect(clip("router10", 7)).toBe("router…");
  expect([fill("ab", 4, "left"), fill("ab", 4, "right"), fill("abcde", 4, "right")]).toEqual(["ab  ", "  ab", "abc…"]);
  expect([pad("ab", 4, "left"), pad("ab", 4, "right"), pad("abcde", 4, "right")]).toEqual(["ab  ", "  ab", "abcde"]);
});

test("milliseconds have three digits", () => {
  expect([1, 310, 9994, 9995, 99_940, 99_960, 1_204_400].map(milliseconds)).toEqual([
    ...["0.00", "0.31", "9.99", "10.0", "99.9", "100", "1,204"],
  ]);
});

test("wrapped text is broken at spaces, and indented from its second line on", () => {
  expect(wrapped("packets  the quick brown fox", 20, 9)).toEqual(["packets  the quick", "         brown fox"]);
  expect(wrapped("packets  the quick brown fox", null, 9)).toEqual(["packets  the quick brown fox"]);
  expect(wrapped("a \u001b[31mred\u001b[39m word here", 10, 2)).toEqual(["a \u001b[31mred\u001b[39m word", "  here"]);
  expect(wrapped("a unbreakable-as-it-is word", 10, 2)).toEqual(["a", "  unbreakable-as-it-is", "  word"]);
  const words = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 12 }), { minLength: 1 });
  fc.assert(
    fc.property(words, fc.integer({ min: 20, max: 40 }), (text, width) => {
      const lines = wrapped(text.join(" "), width, 4);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
      expect(lines.join(" ").split(/ +/)).toEqual(text);
    }),
  );
});

it.each([
  ["a colour", "\u001b[31mred", "·[31mred"],
  ["an eight-bit control sequence", "\u009b31mred", "·31mred"],
  ["a line end", "one\r\ntwo", "one··two"],
  ["a change of direction", "abc\u202ecba", "abc·cba"],
  ["letters of any script", "käse 路由器", "käse 路由器"],
])("printable shows %s as text", (_name, text, shown) => {
  expect(printable(text)).toBe(shown);
});

test("JSON made printable has no character a terminal obeys, and the same value", () => {
  const value = fc.string({ unit: "binary" });
  fc.assert(
    fc.property(value, fc.constantFrom("\u009b2J", "\u202e", "\u2028", "\u007f"), (text, bad) => {
      const record = { name: text + bad };
      const json = printableJson(JSON.stringify(record));
      expect(printable(json)).toBe(json);
      expect(JSON.parse(json)).toEqual(record);
    }),
  );
});
