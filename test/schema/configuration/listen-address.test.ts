import { describe, expect, test } from "vitest";
import { isLoopback, overlapOf, readListenAddress } from "../../../schema/configuration/listen-address.ts";

describe("an address to listen on", () => {
  test.each([
    ["4754", { host: null, port: 4754, encapsulation: null }],
    ["127.0.0.1:0", { host: "127.0.0.1", port: 0, encapsulation: null }],
    ["[::1]:4754", { host: "::1", port: 4754, encapsulation: null }],
    ["[::]:65535", { host: "::", port: 65535, encapsulation: null }],
    ["vxlan=8472", { host: null, port: 8472, encapsulation: "vxlan" }],
    ["vxlan-gpe=[::1]:4789", { host: "::1", port: 4789, encapsulation: "vxlan-gpe" }],
  ])("%s", (text, listen) => expect(readListenAddress(text)).toEqual(listen));

  test.each([
    "",
    "x",
    "65536",
    "::1:4754",
    "host:4754",
    "127.0.0.1:",
    "[]:4754",
    "127.0.0.256:1",
    "gre=4754",
    "vxlan=",
  ])("%s is none", (text) => expect(readListenAddress(text)).toBeNull());
});

describe("two places to listen", () => {
  test.each([
    ["4754", "vxlan=4754", "same"],
    ["4754", "[::]:4754", "same"],
    ["[::1]:4754", "[0:0:0:0:0:0:0:1]:4754", "same"],
    ["[::ffff:192.0.2.1]:4754", "192.0.2.1:4754", "same"],
    ["[::ffff:0.0.0.0]:4754", "0.0.0.0:4754", "same"],
    ["0.0.0.0:4754", "127.0.0.1:4754", "some"],
    ["0.0.0.0:4754", "[::]:4754", "some"],
    ["0.0.0.0:4754", "[::ffff:192.0.2.1]:4754", "some"],
    ["4754", "[2001:db8::1]:4754", "some"],
    ["4754", "192.0.2.1:4754", "some"],
    ["0.0.0.0:4754", "[2001:db8::1]:4754", null],
    ["127.0.0.1:4754", "127.0.0.2:4754", null],
    ["[fe80::1%eth0]:4754", "[fe80::1%eth1]:4754", null],
    ["4754", "4755", null],
    ["127.0.0.1:0", "0", null],
  ])("%s and %s: %s", (a, b, overlap) => {
    const [one, other] = [readListenAddress(a), readListenAddress(b)];
    if (one === null || other === null) throw new Error("no address");
    expect([overlapOf(one, other), overlapOf(other, one)]).toEqual([overlap, overlap]);
  });
});

test("only loopback addresses need no allow-list", () => {
  expect(["127.0.0.1", "127.9.9.9", "::1"].every(isLoopback)).toBe(true);
  expect([null, "::", "0.0.0.0", "128.0.0.1", "::ffff:127.0.0.1"].some(isLoopback)).toBe(false);
});
