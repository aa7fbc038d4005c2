import { describe, expect, it } from "vitest";
import { readDestination } from "../../../schema/configuration/destination.ts";

describe("a collector as an operator names it", () => {
  it.each([
    ["collector.example.net", "udp", "collector.example.net", 4754],
    ["192.0.2.9:9999", "udp", "192.0.2.9", 9999],
    ["2001:db8::9", "udp", "2001:db8::9", 4754],
    ["[2001:db8::9]:9999", "udp", "2001:db8::9", 9999],
    ["[2001:db8::9]", "gre", "2001:db8::9", null],
    ["192.0.2.9", "gre", "192.0.2.9", null],
  ] as const)("%s over %s", (text, encapsulation, host, port) => {
    expect(readDestination(text, encapsulation)).toEqual({ host, port });
  });

  it.each([
    ["192.0.2.9:0", "udp", /^ports go from 1 to 65535$/],
    ["192.0.2.9:65536", "udp", /^ports go from 1 to 65535$/],
    ["192.0.2.9:4754", "gre", /has no ports/],
    ["[192.0.2.9]:4754", "udp", /not an IPv6 address/],
    ["a:b:c", "udp", /neither a name nor an address/],
    ["host:", "udp", /neither a name nor an address/],
    ["", "udp", /neither a name nor an address/],
  ] as const)("%s over %s is refused", (text, encapsulation, reason) => {
    expect(readDestination(text, encapsulation)).toMatch(reason);
  });
});
