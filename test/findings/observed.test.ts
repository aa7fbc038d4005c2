import { describe, expect, it } from "vitest";
import type { FindingRecord } from "../../schema/finding-record.ts";
import { findingRecord } from "../../schema/finding-record.ts";
import { CASES } from "../hostile/cases.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, option, RST, SYN } from "../support/packets.ts";
import type { StatedPacket } from "../support/pcapng.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

/** Findings of what agents saw, each agent's packets from a source of its own. */
function found(...agents: (readonly StatedPacket[])[]): string[] {
  const findings: FindingRecord[] = [];
  const packets = agents.flatMap((seen, source) => seen.map((packet): RunPacket => ({ ...packet, source })));
  packets.sort((a, b) => a.atMicros - b.atMicros);
  run(packets, { finding: (finding) => findings.push(findingRecord.parse(finding)) });
  return findings.map(({ event, mptcp, message }) => `${event.action} ${mptcp.subflow ?? "-"}: ${message}`);
}

const hostile = (name: string): string[] => found(...(CASES.find((one) => one.name === name)?.agents() ?? []));

/** A join's SYN with a token, from port 6666 on, and what answers it. */
function joining(talk: Conversation, token: number, answer: (guess: ReturnType<Conversation["join"]>) => void): void {
  const ends = [
    { ip: "10.66.6.6", port: 6666 },
    { ip: "10.2.0.2", port: 443 },
  ] as const;
  const guess = { ends, opener: 0 as const, isn: [3_000_000, 4_000_000] as const, next: [1, 1] as [number, number] };
  talk.segment(guess, 0, SYN, [option.joinSyn(token, 1, 1)]);
  answer(guess);
}

describe("findings of what was seen", () => {
  it("200 guessed tokens are 200 joins of nobody's session", () => {
    const all = hostile("token-guess");
    expect(all).toHaveLength(200);
    expect(all[0]).toMatch(
      /^join-token-unknown 0: a join from 10\.66\.6\.6 with the token 0x[0-9a-f]{8} of no session that was seen/,
    );
  });

  it("a join that its own opener reset was no guess: the answer had lost its option", () => {
    const talk = new Conversation();
    joining(talk, 0x12345678, (guess) => talk.segment(guess, 1, SYN | ACK).segment(guess, 0, RST));
    expect(found(talk.packets)).toEqual([]);
  });

  it("a join that is answered was none either, whoever resets it", () => {
    const talk = new Conversation();
    joining(talk, 0x12345678, (guess) =>
      talk.segment(guess, 1, SYN | ACK, [option.joinSynAck(Buffer.alloc(8), 1, 2)]).reset(1, guess),
    );
    expect(found(talk.packets)).toEqual([]);
  });

  it("data on a join that nobody answered", () => {
    expect(hostile("join-unanswered-data")).toEqual([
      "join-unproven 1: 15 octets of the initiator came on subflow 1, whose join nothing proves: they are in no stream",
    ]);
  });

  it("data on a join whose HMAC is wrong is told by that", () => {
    const [told, ...others] = hostile("join-hmac-wrong-v1");
    expect(told).toMatch(/^join-hmac-failed 1: /);
    expect(others).toEqual([]);
  });

  it("a reset that closed nothing", () => {
    expect(hostile("reset-forged")).toEqual([
      "segments-implausible 0: 1 segment on subflow 0 lay where no host takes it, such as a reset that is made up: it changed nothing",
    ]);
  });

  it("a DSCP that was changed between two agents", () => {
    expect(hostile("dscp-rewritten")).toEqual([
      "mark-rewritten 0: DSCP of 7 packets of the initiator on subflow 0 was changed between a and b, first 0x00 to 0xb8",
      "mark-rewritten 0: DSCP of 5 packets of the responder on subflow 0 was changed between a and b, first 0x00 to 0xb8",
    ]);
  });

  it("options of lengths that they cannot have", () => {
    expect(hostile("options-malformed")).toEqual([
      "options-malformed -: 3 MPTCP options have lengths that they cannot have: hosts ignore them",
    ]);
  });
});

describe("octets that were acknowledged and are in no stream", () => {
  const talk = () => new Conversation().open().send(0, "x".repeat(9000)).send(1, "y".repeat(100)).close();

  it("were on a path without an agent, where nothing of them came", () => {
    const { packets } = talk();
    expect(found(packets.filter((_, n) => n !== 3))).toEqual([
      "path-not-monitored -: 9,000 octets of the initiator (100 %) were acknowledged, and no copy of them came: they passed no agent, or their copies were lost",
    ]);
  });

  it("were seen without their mapping, where copies were cut inside the options", () => {
    const { packets } = talk();
    const cut = packets.map((packet, n) => (n < 3 ? packet : { ...packet, octets: packet.octets.subarray(0, 56) }));
    const told = found(cut);
    expect(told).toEqual([
      expect.stringMatching(
        /^mapping-not-seen -: 9,000 octets of the initiator \(100 %\) were seen without their mapping/,
      ),
    ]);
  });

  it("are told where only both kinds together are more than an agent loses, as what most of them are", () => {
    const talk = new Conversation().open();
    for (let n = 0; n < 30; n++) talk.send(0, "x".repeat(2000));
    const { packets } = talk.send(1, "y").close();
    // Of 60,000 octets 2,000 are in no copy, and 2,000 or 4,000 without their mapping: 5 % are 3,000.
    const seen = (unmapped: number) =>
      packets.flatMap((packet, n) => {
        if (n === 5) return [];
        const isCut = n >= 10 && n < 10 + unmapped;
        return isCut ? { ...packet, octets: packet.octets.subarray(0, 56) } : packet;
      });
    expect(found(seen(0))).toEqual([]);
    expect(found(seen(1))).toEqual([
      expect.stringMatching(/^path-not-monitored -: 2,000 octets of the initiator \(3 %\)/),
    ]);
    expect(found(seen(2))).toEqual([
      expect.stringMatching(/^mapping-not-seen -: 4,000 octets of the initiator \(7 %\)/),
    ]);
  });

  it("are told where copies are cut so short that no acknowledgment was seen either", () => {
    const { packets } = talk();
    const cut = packets.map((packet, n) => (n < 3 ? packet : { ...packet, octets: packet.octets.subarray(0, 42) }));
    expect(found(cut)).toEqual([
      expect.stringMatching(/^mapping-not-seen -: 9,000 octets of the initiator \(100 %\) were seen without/),
    ]);
  });

  it("were cut off their copies, where the mapping is there: no finding, their places are known", () => {
    const { packets } = talk();
    expect(found(packets.map((packet) => ({ ...packet, octets: packet.octets.subarray(0, 80) })))).toEqual([]);
  });
});
