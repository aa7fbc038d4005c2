import { describe, expect, test } from "vitest";
import { parseAgentRule } from "../../collectors/central/agent-rule.ts";
import { command } from "../../collectors/central/command.ts";
import { isLoopback, parseGreListen, parseUdpListen } from "../../collectors/central/listen.ts";
import { OperationalError } from "../../collectors/runtime/errors.ts";
import { helpOf } from "../support/help.ts";

test("the help fits into 80 columns and says what the exit status means", () => {
  const lines = helpOf(command()).split("\n");
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  expect(lines.filter((line) => line.startsWith("Exit status: 0 "))).toHaveLength(1);
});

describe("--agent", () => {
  test.each([
    ["name=r1,address=192.0.2.1,key=7", { name: "r1", address: "192.0.2.1", key: 7 }],
    ["name=r1,key=0", { name: "r1", address: null, key: 0 }],
    ["key=0xFFFFFFFF,name=r1", { name: "r1", address: null, key: 0xffffffff }],
    ["name=r 1, address=2001:db8::1", { name: "r 1", address: "2001:db8::1", key: null }],
  ])("%s", (text, rule) => expect(parseAgentRule(text)).toEqual(rule));

  test.each([
    ["", /is not word=value/],
    ["router1", /is not word=value/],
    ["name=r1", /neither address nor key/],
    ["key=1", /name is missing/],
    ["name=r1,key=4294967296", /is not a number from 0/],
    ["name=r1,key=-1", /is not a number from 0/],
    ["name=r1,key=1e3", /is not a number from 0/],
    ["name=r1,address=router1.example", /is not an IP address/],
    ["name=r1,port=1", /port is not known/],
    ["name=r1,key=1,key=2", /key stands there twice/],
  ])("%s is refused", (text, message) => {
    expect(() => parseAgentRule(text)).toThrow(OperationalError);
    expect(() => parseAgentRule(text)).toThrow(message);
  });
});

describe("--listen-udp", () => {
  test.each([
    ["4754", { host: null, port: 4754, encapsulation: "gre-in-udp" }],
    ["127.0.0.1:0", { host: "127.0.0.1", port: 0, encapsulation: "gre-in-udp" }],
    ["[::1]:4754", { host: "::1", port: 4754, encapsulation: "gre-in-udp" }],
    ["[::]:65535", { host: "::", port: 65535, encapsulation: "gre-in-udp" }],
    ["4789", { host: null, port: 4789, encapsulation: "vxlan" }],
    ["192.0.2.9:4790", { host: "192.0.2.9", port: 4790, encapsulation: "vxlan-gpe" }],
    ["6081", { host: null, port: 6081, encapsulation: "geneve" }],
    ["vxlan=8472", { host: null, port: 8472, encapsulation: "vxlan" }],
    ["vxlan-gpe=[::1]:4789", { host: "::1", port: 4789, encapsulation: "vxlan-gpe" }],
    ["gre-in-udp=6081", { host: null, port: 6081, encapsulation: "gre-in-udp" }],
  ])("%s", (text, listen) => expect(parseUdpListen(text)).toEqual(listen));

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
  ])("%s is refused", (text) => expect(() => parseUdpListen(text)).toThrow(OperationalError));
});

test("--listen-gre", () => {
  expect(parseGreListen(true)).toEqual([4, 6]);
  expect(parseGreListen("0.0.0.0")).toEqual([4]);
  expect(parseGreListen("::")).toEqual([6]);
  expect(() => parseGreListen("192.0.2.1")).toThrow(/every address/);
});

test("only loopback addresses need no allow-list", () => {
  expect(["127.0.0.1", "127.9.9.9", "::1"].every(isLoopback)).toBe(true);
  expect([null, "::", "0.0.0.0", "128.0.0.1", "::ffff:127.0.0.1"].some(isLoopback)).toBe(false);
});
