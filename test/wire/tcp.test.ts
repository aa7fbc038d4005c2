import { describe, expect, it } from "vitest";
import { findOption, OPTION_MPTCP, timestampValue } from "../../src/wire/tcp.ts";
import { hex } from "../support/pcap.ts";

const view = (dump: string): DataView => new DataView(hex(dump).buffer);
const mptcpAt = (dump: string): number => {
  const octets = hex(dump);
  return findOption(new DataView(octets.buffer), 1, octets.length, OPTION_MPTCP);
};

describe("finding an option (RFC 9293 §3.1)", () => {
  it.each<[name: string, dump: string, at: number]>([
    ["first of all", "ff 1e04 2001", 1],
    ["after NOPs and timestamps, as usual", "ff 0101080a 00000001 00000002 1e04 2001", 13],
    ["after a SYN's options", "ff 020405b4 0402 080a0000000100000000 01 030307 1e04 0081", 21],
    ["none", "ff 0101080a 00000001 00000002", 0],
    ["none among usual options and padding", "ff 0101080a 00000001 00000002 0101 0000", 0],
    ["behind the end of options", "ff 00 1e04 2001", 0],
    ["behind an option of length 0", "ff 0500 1e04 2001", 0],
    ["behind an option of length 1", "ff 0501 1e04 2001", 0],
    ["behind an option that reaches too far", "ff 0514 1e04 2001", 0],
    ["cut after its kind", "ff 0101 1e", 0],
    ["no octet at all", "ff", 0],
  ])("%s", (_, dump, at) => {
    expect(mptcpAt(dump)).toBe(at);
  });
});

describe("the sender's timestamp (RFC 7323 §3)", () => {
  const HEADER = "9c40 01bb 00000001 00000002 8010 ffff 0000 0000";
  it.each<[name: string, dump: string, value: number]>([
    ["as most stacks place it", "0101080a deadbeef 00000001", 0xdeadbeef],
    ["after other options", "020405b4 0402080a 12345678 00000000", 0x12345678],
    ["none", "01010101", 0],
    ["cut inside", "020405b4 080a 1234", 0],
  ])("%s", (_, dump, value) => {
    const header = view(HEADER + dump);
    expect(timestampValue(header, 0, header.byteLength)).toBe(value);
  });
});
