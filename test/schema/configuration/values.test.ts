import { describe, expect, it } from "vitest";
import { parsePortRange } from "../../../schema/configuration/port-range.ts";
import { addressRange, portRange } from "../../../schema/configuration/values.ts";
import { parseRange } from "../../../src/wire/network.ts";

describe("an address or a network", () => {
  it.each([
    ...["192.0.2.1", "192.0.2.0/24", "0.0.0.0/0", "192.0.2.1/32"],
    ...["2001:db8::1", "2001:DB8::/32", "::/0", "::ffff:192.0.2.1", "::ffff:0:0/96", "1:2:3:4:5:6:7::"],
  ])("%s", (text) => {
    expect([addressRange.safeParse(text).success, parseRange(text) !== null]).toEqual([true, true]);
  });

  // What one takes and the other refuses ends a program that runs.
  it.each([
    ...["", "host", "192.0.2", "192.0.2.01", "192.0.2.0/024", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/24/8"],
    ...["fe80::1%eth0", "fe80::%eth0/64", "::1/129", "::/00", "1::2::3", "12345::", "[::1]", "::1 ", "192.0.2.0/+8"],
  ])("%j is none, for the schema and for what reads it", (text) => {
    expect([addressRange.safeParse(text).success, parseRange(text)]).toEqual([false, null]);
  });
});

describe("ports", () => {
  it.each([0, 443, 65_535, "443", "8000-8999", "22-22", "0-65535"])("%j", (value) => {
    expect([portRange.safeParse(value).success, parsePortRange(String(value)) !== null]).toEqual([true, true]);
  });

  it.each([-1, 65_536, 1.5, "", "99999", "9000-8000", "1-65536", "1-", "http", "1 - 2"])("%j are none", (value) => {
    expect([portRange.safeParse(value).success, parsePortRange(String(value))]).toEqual([false, null]);
  });
});
