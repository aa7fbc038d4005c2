import { describe, expect, it } from "vitest";
import { communityId } from "../../src/record/community-id.ts";
import { parseAddress } from "../../src/wire/address.ts";

const end = (ip: string, port: number) => ({ address: parseAddress(ip)?.words ?? [], port });

describe("Community ID version 1", () => {
  // The TCP flows of the specification's baseline file, seed 0.
  it.each([
    ["128.232.110.120", 34855, "66.35.250.204", 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="],
    ["2001:470:e5bf:dead:4957:2174:e82c:4887", 63943, "2607:f8b0:400c:c03::1a", 25, "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="],
  ])("%s:%i and %s:%i", (a, portA, b, portB, expected) => {
    const isIpv6 = a.includes(":");
    expect(communityId(isIpv6, end(a, portA), end(b, portB))).toBe(expected);
    expect(communityId(isIpv6, end(b, portB), end(a, portA))).toBe(expected);
  });

  it("of equal addresses, the lower port stands first", () => {
    const [low, high] = [end("127.0.0.1", 80), end("127.0.0.1", 50_000)];
    expect(communityId(false, low, high)).toBe(communityId(false, high, low));
  });
});
