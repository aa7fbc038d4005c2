import { Conversation, type Side, type Subflow } from "../support/conversation.ts";
import { ACK, dssChecksum, option, PSH, RST, SYN } from "../support/packets.ts";
import type { StatedPacket } from "../support/pcapng.ts";

/** An attack or a fault of the network, as one agent saw it, or two. */
export interface HostileCase {
  readonly name: string;
  /** What happens in it. */
  readonly about: string;
  /** Packets of each agent; one observation. */
  readonly agents: () => readonly (readonly StatedPacket[])[];
}

/** Where a stranger joins from. */
const STRANGER = [
  { ip: "10.66.6.6", port: 6_666 },
  { ip: "10.2.0.2", port: 443 },
] as const;

const HEARTBEAT = "the session goes on";

/** A session with something said both ways. */
const talking = (version: 0 | 1 = 1, checksum = false): Conversation => {
  const talk = new Conversation({ version, checksum }).open();
  return checksum ? talk : talk.send(0, "GET / HTTP/1.1\r\n\r\n").send(1, "HTTP/1.1 200 OK\r\n\r\n");
};

/** A subflow without a handshake of its own yet. */
const bare = (ends: Subflow["ends"] = STRANGER): Subflow => ({
  ends,
  opener: 0,
  isn: [3_000_000, 4_000_000],
  next: [1, 1],
});

/** Both sides say a last word and close. */
const ended = (talk: Conversation, ...subflows: readonly Subflow[]): readonly StatedPacket[] =>
  talk
    .send(0, HEARTBEAT)
    .send(1, HEARTBEAT)
    .close(...subflows).packets;

/** One mapping with a checksum over `text`; `arrived` is what is in the segment, `swapped` as kernels sent it until 2022. */
function summed(
  talk: Conversation,
  side: Side,
  text: string,
  arrived = text,
  swapped = false,
  on = talk.initial,
): void {
  const at = talk.offset[side];
  const dsn = talk.dsn(side, at);
  const ssn = on.next[side];
  const right = dssChecksum(dsn, ssn, text.length, Buffer.from(text));
  const checksum = swapped ? ((right & 0xff) << 8) | (right >> 8) : right;
  const peer = side === 0 ? 1 : 0;
  const ack = talk.dsn(peer, talk.offset[peer]);
  talk.offset[side] += text.length;
  const dss = option.dss({ ack, dsn, ssn, length: text.length, checksum });
  talk.segment(on, side, ACK | PSH, [dss], Buffer.from(arrived));
}

/** The same packet a little later, changed on the way. */
const passed = (packet: StatedPacket, change: (octets: Buffer) => void): StatedPacket => {
  const octets = Buffer.from(packet.octets);
  change(octets);
  return { ...packet, atMicros: packet.atMicros + 100, octets };
};

/** Overwrites all options of a segment with NOPs, as a middlebox that strips them does. */
function stripOptions(octets: Buffer): void {
  octets.fill(1, 40, 20 + ((octets[32] ?? 0) >> 4) * 4);
}

const hasPayload = ({ octets }: StatedPacket): boolean => octets.length > 20 + ((octets[32] ?? 0) >> 4) * 4;

/** A stranger who overheard the token joins; HMACs of version 0 are SHA-1, of version 1 SHA-256. */
function joinedByStranger(version: 0 | 1): readonly StatedPacket[] {
  const talk = talking(version);
  const forged = talk.join({ ends: STRANGER, wrong: "opener" });
  talk.send(0, "DELETE /account", { on: forged, at: talk.offset[0] });
  talk.offset[0] -= "DELETE /account".length;
  return ended(talk.reset(1, forged));
}

/** Two sessions with servers whose keys have the token 0xc4f2f3bd, each with a join of its own. */
function oneTokenTwoServers(): readonly StatedPacket[] {
  const talks = ["00005e550000a907", "00005e55000146ad"].map((key, n) => {
    const server = { ip: `10.2.0.${n + 1}`, port: 443 };
    const talk = new Conversation({
      ends: [{ ip: `10.1.0.${n + 1}`, port: 40_000 }, server],
      keys: [Buffer.alloc(8, n + 1), Buffer.from(key, "hex")],
      isn: [n * 1_000 + 1, n * 2_000 + 1],
    });
    talk.open().send(0, `to server ${n + 1}`);
    const joined = talk.join({ ends: [{ ip: `10.1.9.${n + 1}`, port: 50_000 }, server] });
    talk.send(1, `from server ${n + 1}`, { on: joined }).close(talk.initial, joined);
    return talk.packets;
  });
  return talks.flat().sort((a, b) => a.atMicros - b.atMicros);
}

/** Each case's name is its file's name. */
export const CASES: readonly HostileCase[] = [
  {
    name: "join-hmac-wrong-v0",
    about: "version 0: a stranger with the right token and a wrong HMAC joins and sends data",
    agents: () => [joinedByStranger(0)],
  },
  {
    name: "join-hmac-wrong-v1",
    about: "version 1: a stranger with the right token and a wrong HMAC joins and sends data",
    agents: () => [joinedByStranger(1)],
  },
  {
    name: "join-answer-hmac-wrong",
    about: "somebody else answers a join: the HMAC of the SYN/ACK is wrong",
    agents: () => {
      const talk = talking();
      const on = talk.join({ wrong: "listener" });
      return [ended(talk.reset(0, on))];
    },
  },
  {
    name: "join-unanswered-data",
    about: "a SYN with the right token that nobody answers, and data behind it all the same",
    agents: () => {
      const talk = talking();
      const forged = bare();
      talk.segment(forged, 0, SYN, [option.joinSyn(talk.token(1), 1, 1)]);
      talk.send(0, "DELETE /account", { on: forged });
      talk.offset[0] -= "DELETE /account".length;
      return [ended(talk)];
    },
  },
  {
    name: "token-guess",
    about: "200 joins with guessed tokens, each answered by a reset",
    agents: () => {
      const talk = talking();
      for (let n = 0; n < 200; n++) {
        const guess = bare([{ ip: "10.66.6.6", port: 20_000 + n }, STRANGER[1]]);
        talk.segment(guess, 0, SYN, [option.joinSyn(Math.imul(n + 1, 0x9e3779b1) >>> 0, n, 1)]);
        talk.segment(guess, 1, RST | ACK);
      }
      return [ended(talk)];
    },
  },
  {
    name: "one-token-two-servers",
    about: "two servers chose keys of one token; joins of both",
    agents: () => [oneTokenTwoServers()],
  },
  {
    name: "key-echo-wrong",
    about: "the third ACK repeats another key than the SYN/ACK gave",
    agents: () => {
      const talk = new Conversation().open(["syn", "syn-ack"]);
      talk.segment(talk.initial, 0, ACK, [option.capable(1, [talk.keys[0], Buffer.alloc(8, 0x66)])]);
      return [ended(talk)];
    },
  },
  {
    name: "checksum-wrong",
    about: "a middlebox changes payload of one mapping; the receiver answers with MP_FAIL and resets the subflow",
    agents: () => {
      const talk = talking(1, true);
      const joined = talk.join();
      summed(talk, 0, "pay 10 to alice.");
      summed(talk, 0, "pay 20 to alice.", "pay 20 to malice", false, joined);
      const failed = talk.dsn(0, talk.offset[0] - 16);
      talk.segment(joined, 1, RST | ACK, [option.fail(failed), option.reset(6)]);
      summed(talk, 1, "paid");
      return [talk.close().packets];
    },
  },
  {
    name: "checksum-old-byte-order",
    about: "checksums in the byte order of Linux before 2022, octets as sent",
    agents: () => {
      const talk = talking(1, true);
      summed(talk, 0, "pay 10 to alice.", undefined, true);
      summed(talk, 1, "paid", undefined, true);
      return [talk.close().packets];
    },
  },
  {
    name: "add-addr-hmac-wrong",
    about: "a stranger announces an address of the server's that is his own",
    agents: () => {
      const talk = talking();
      talk.segment(talk.initial, 1, ACK, [option.addAddr(1, 6, "10.66.6.6", 443)]);
      return [ended(talk)];
    },
  },
  {
    name: "fastclose-wrong-key",
    about: "a fast close that carries a guessed key; the session goes on",
    agents: () => {
      const talk = talking();
      talk.segment(talk.initial, 0, ACK, [option.fastclose(Buffer.alloc(8, 0x66))]);
      return [ended(talk)];
    },
  },
  {
    name: "reset-forged",
    about: "a reset with a sequence number far from the subflow's; the session goes on",
    agents: () => {
      const talk = talking();
      talk.segment(talk.initial, 1, RST, [], Buffer.alloc(0), 0x4000_0000);
      talk.initial.next[1] = 1 + talk.offset[1];
      return [ended(talk)];
    },
  },
  {
    name: "two-texts-one-dsn",
    about: "the client sends other octets for the same data sequence numbers on its second subflow",
    agents: () => {
      const talk = new Conversation().open().send(0, "pay 10 to alice.");
      const joined = talk.join();
      talk.send(0, "pay 9k to malice", { on: joined, at: 0 });
      return [ended(talk, talk.initial, joined)];
    },
  },
  {
    name: "infinite-mapping-without-fail",
    about: "a mapping without end in a session without checksums, and no MP_FAIL before it",
    agents: () => {
      const talk = talking();
      const { initial } = talk;
      const dsn = talk.dsn(0, talk.offset[0]);
      const dss = option.dss({ ack: talk.dsn(1, talk.offset[1]), dsn, ssn: initial.next[0], length: 0 });
      talk.segment(initial, 0, ACK | PSH, [dss], Buffer.from("and now for "));
      talk.segment(initial, 0, ACK | PSH, [], Buffer.from("plain TCP"));
      talk.segment(initial, 1, ACK | PSH, [], Buffer.from("so be it"));
      return [talk.fins().packets];
    },
  },
  {
    name: "option-stripped",
    about: "the second agent sees the same segments with their options overwritten, from the first data on",
    agents: () => {
      const talk = talking();
      const whole = ended(talk);
      return [whole, whole.map((packet, n) => passed(packet, n < 3 ? () => undefined : stripOptions))];
    },
  },
  {
    name: "payload-rewritten",
    about: "the second agent sees other octets in the segments of the client",
    agents: () => {
      const talk = talking();
      const whole = ended(talk);
      const rewrite = (octets: Buffer) => octets.fill(0x58, octets.length - 4);
      return [whole, whole.map((packet) => passed(packet, hasPayload(packet) ? rewrite : () => undefined))];
    },
  },
  {
    name: "dscp-rewritten",
    about: "the second agent sees the segments with another DSCP",
    agents: () => {
      const talk = talking();
      const whole = ended(talk);
      return [
        whole,
        whole.map((packet) =>
          passed(packet, (octets) => {
            octets[1] = 0x2e << 2;
          }),
        ),
      ];
    },
  },
  {
    name: "options-malformed",
    about: "options that end behind the header, have no length, or a subtype nobody knows, behind a right one",
    agents: () => {
      const talk = talking();
      const ack = option.dss({ ack: talk.dsn(1, talk.offset[1]) });
      for (const garbage of ["1e01", "1eff20", "1e0a2004", "1e04f000", "1e0401ff"]) {
        talk.segment(talk.initial, 0, ACK, [ack, Buffer.from(garbage, "hex")]);
      }
      return [ended(talk)];
    },
  },
];

/** The files of a case: one for each agent, numbered where there are several. */
export const filesOf = ({ name }: HostileCase, agents: number): string[] =>
  Array.from({ length: agents }, (_, n) => (agents === 1 ? `${name}.pcap` : `${name}.agent${n + 1}.pcap`));
