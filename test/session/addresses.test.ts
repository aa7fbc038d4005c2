import { createHmac } from "node:crypto";
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
  return {
    addresses: record.mptcp.addresses ?? [],
    shed: record.rejoin?.shed,
    malformed: record.mptcp.options?.malformed,
  };
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

  it.each<[name: string, version: 0 | 1, one: Buffer]>([
    ["version 1 without an HMAC and no echo", 1, option.addAddr(0, 4, "10.2.0.9")],
    ["version 0 with an HMAC", 0, option.addAddr(1, 4, "10.2.0.9")],
  ])("%s is malformed", (_, version, one) => {
    // Version 0 says 4 where version 1 has its echo bit.
    one[2] = 0x30 | (version === 0 ? 4 : 0);
    const { addresses, malformed } = addressesAfter(version, one);
    expect(addresses).toEqual([]);
    expect(malformed).toBe(1);
  });

  it("thirty-two are kept, further ones counted", () => {
    const many = Array.from({ length: 40 }, (_, n) => option.addAddr(1, n + 1, `10.2.1.${n + 1}`));
    const { addresses, shed } = addressesAfter(1, ...many);
    expect(addresses).toHaveLength(32);
    expect(shed).toEqual({ addresses: 8 });
  });

  it("an echo says when the other side had it", () => {
    const talk = new Conversation().open().send(0, "x");
    talk.segment(talk.initial, 1, ACK, [option.addAddr(1, 4, "10.2.0.9", 8443)]);
    talk.segment(talk.initial, 0, ACK, [option.addAddr(1, 4, "10.2.0.9", 8443, true)]);
    const [address] = sessionRecord.parse(run(talk.packets).records[0]).mptcp.addresses;
    expect(address).toMatchObject({
      side: "responder",
      at: expect.stringMatching(/4000Z$/),
      echoed_at: expect.stringMatching(/5000Z$/),
    });
    expect(addressesAfter(1, option.addAddr(1, 4, "10.2.0.9")).addresses[0]?.echoed_at).toBeNull();
  });

  it("a length that is none is ignored", () => {
    const cut = Buffer.from(option.addAddr(1, 4, "10.2.0.9")).subarray(0, 12);
    cut[1] = 12;
    expect(addressesAfter(1, cut).addresses).toEqual([]);
  });
});

/** An ADD_ADDR of the responder with an HMAC as RFC 8684 §3.4.1 makes it; `change` alters its 32 octets. */
function signed(
  id: number,
  ip: string,
  port: number | undefined,
  change = (hmac: Buffer): Buffer => hmac.subarray(-8),
): Buffer {
  const { keys } = new Conversation();
  const octets = option.addAddr(1, id, ip, port);
  const over = Buffer.concat([octets.subarray(3, -8), Buffer.alloc(port === undefined ? 2 : 0)]);
  const hmac = createHmac("sha256", Buffer.concat([keys[1], keys[0]]))
    .update(over)
    .digest();
  return Buffer.concat([octets.subarray(0, -8), change(hmac)]);
}

describe("HMAC of ADD_ADDR (RFC 8684 §3.4.1)", () => {
  it.each([
    ["10.2.0.9", undefined],
    ["10.2.0.9", 8443],
    ["2001:db8::9", undefined],
    ["2001:db8::9", 8443],
  ] as const)("%s port %s: the rightmost octets are verified, others not", (ip, port) => {
    const verified = { hmac: { verdict: "verified" }, hmac_form: "rightmost" };
    expect(addressesAfter(1, signed(4, ip, port)).addresses).toMatchObject([verified]);
    const old = signed(4, ip, port, (hmac) => hmac.subarray(0, 8));
    expect(addressesAfter(1, old).addresses).toMatchObject([{ hmac: { verdict: "verified" }, hmac_form: "leftmost" }]);
    const wrong = addressesAfter(1, option.addAddr(1, 4, ip, port)).addresses;
    expect(wrong).toMatchObject([{ hmac: { verdict: "failed" } }]);
    expect(wrong[0]).not.toHaveProperty("hmac_form");
  });

  it("is over the address id, too", () => {
    const other = signed(4, "10.2.0.9", undefined);
    other[3] = 5;
    expect(addressesAfter(1, other).addresses).toMatchObject([{ address_id: 5, hmac: { verdict: "failed" } }]);
  });

  it("a forged announcement stands beside the right one of the same address, whichever came first", () => {
    const both = [option.addAddr(1, 4, "10.2.0.9"), signed(4, "10.2.0.9", undefined)];
    for (const options of [both, both.toReversed()]) {
      const verdicts = addressesAfter(1, ...options, ...options).addresses.map(({ hmac }) => hmac?.verdict);
      expect(verdicts.sort()).toEqual(["failed", "verified"]);
    }
  });

  it("there is none in version 0, nor of a removal alone", () => {
    expect(addressesAfter(0, option.addAddr(0, 4, "10.2.0.9")).addresses).toMatchObject([{ hmac: null }]);
    expect(addressesAfter(1, option.removeAddr(4)).addresses).toMatchObject([{ hmac: null }]);
  });

  it("unverifiable without both keys; no record has its octets", () => {
    const talk = new Conversation().open(["syn", "syn-ack"]).send(0, "x");
    const one = signed(4, "10.2.0.9", undefined);
    talk.segment(talk.initial, 1, ACK, [one]);
    const { records } = run(talk.packets);
    expect(records[0]?.mptcp.addresses).toMatchObject([
      { hmac: { verdict: "unverifiable", unverifiable_reason: "key-unknown" } },
    ]);
    expect(JSON.stringify(records)).not.toContain(one.subarray(-8).toString("hex"));
  });

  it("counts in the totals", () => {
    const talk = new Conversation().open().send(0, "x");
    talk.segment(talk.initial, 1, ACK, [signed(4, "10.2.0.9", undefined)]);
    talk.segment(talk.initial, 1, ACK, [option.addAddr(1, 5, "10.2.0.8")]);
    expect(run(talk.packets).totals.verdicts["addr-hmac"]).toEqual({ verified: 1, failed: 1, unverifiable: 0 });
  });
});
