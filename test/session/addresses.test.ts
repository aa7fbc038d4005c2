import { describe, expect, it } from "vitest";
import { sessionRecord } from "../../schema/session-record.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, option } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";

/** The addresses in the record of a session in which the responder sent these options, one per segment. */
function addressesAfter(version: 0 | 1, ...options: Buffer[]) {
  const talk = new Conversation({ version }).open().send(0, "x");
  for (const one of options) talk.segment(talk.initial, 1, ACK, [one]);
  const record = sessionRecord.parse(run(talk.packets).records[0]);
  return { addresses: record.mptcp.addresses ?? [], shed: record.rejoin?.shed };
}

describe("ADD_ADDR and REMOVE_ADDR", () => {
  it.each([
    [1, "10.2.0.9", undefined, 16],
    [1, "10.2.0.9", 8443, 18],
    [1, "2001:db8::9", undefined, 28],
    [1, "2001:db8::9", 8443, 30],
    [0, "10.2.0.9", undefined, 8],
    [0, "10.2.0.9", 8443, 10],
    [0, "2001:db8::9", undefined, 20],
    [0, "2001:db8::9", 8443, 22],
  ] as const)("version %i: %s port %s, %i octets", (version, ip, port, length) => {
    const one = option.addAddr(version, 4, ip, port);
    expect(one).toHaveLength(length);
    expect(addressesAfter(version, one).addresses).toMatchObject([
      { side: "responder", address_id: 4, ip, port: port ?? null, removed_at: null },
    ]);
  });

  it("an echo announces nothing, and an announcement that comes again is one", () => {
    const echo = option.addAddr(1, 4, "10.2.0.9", undefined, true);
    const one = option.addAddr(1, 4, "10.2.0.9");
    expect(addressesAfter(1, echo).addresses).toEqual([]);
    expect(addressesAfter(1, one, one, one).addresses).toHaveLength(1);
  });

  it("an address taken back keeps its line; one never announced gets one", () => {
    const { addresses } = addressesAfter(1, option.addAddr(1, 4, "10.2.0.9"), option.removeAddr(4, 7));
    expect(addresses).toMatchObject([
      { address_id: 4, ip: "10.2.0.9", removed_at: expect.stringMatching(/Z$/) },
      { address_id: 7, ip: null, port: null, at: null, removed_at: expect.stringMatching(/Z$/) },
    ]);
  });

  it("thirty-two are kept, further ones counted", () => {
    const many = Array.from({ length: 40 }, (_, n) => option.addAddr(1, n + 1, `10.2.1.${n + 1}`));
    const { addresses, shed } = addressesAfter(1, ...many);
    expect(addresses).toHaveLength(32);
    expect(shed).toEqual({ addresses: 8 });
  });

  it("a length that is none is ignored", () => {
    const cut = Buffer.from(option.addAddr(1, 4, "10.2.0.9")).subarray(0, 12);
    cut[1] = 12;
    expect(addressesAfter(1, cut).addresses).toEqual([]);
  });
});
