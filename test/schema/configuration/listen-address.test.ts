import { describe, expect, test } from "vitest";
import { isLoopback, readListenAddress } from "../../../schema/configuration/listen-address.ts";

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

test("only loopback addresses need no allow-list", () => {
  expect(["127.0.0.1", "127.9.9.9", "::1"].every(isLoopback)).toBe(true);
  expect([null, "::", "0.0.0.0", "128.0.0.1", "::ffff:127.0.0.1"].some(isLoopback)).toBe(false);
});
