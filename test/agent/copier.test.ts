import { expect, it } from "vitest";
import { AGENT_DEFAULTS } from "../../collectors/agent/agent-contract.ts";
import { Copier } from "../../collectors/agent/copier.ts";
import type { Transmitter } from "../../collectors/agent/transmitter.ts";
import { Tunnel } from "../../collectors/agent/tunnel.ts";
import { Tunnels } from "../../collectors/agent/tunnels.ts";
import { Bandwidth } from "../../src/encapsulate/bandwidth.ts";
import { CopyEncoder } from "../../src/encapsulate/copy-encoder.ts";
import { FlowSelection } from "../../src/encapsulate/flow-selection.ts";
import { SessionTokens } from "../../src/encapsulate/session-tokens.ts";
import { PacketVector } from "../../src/vector.ts";
import { LINKTYPE_RAW } from "../../src/wire/link-type.ts";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { ip } from "../support/packets.ts";

const TARGET = { address: "192.0.2.9", family: 4, port: 4754 } as const;
const ICMP = 1;
const UDP = 17;

/** The packets that an agent copies out of these, which lie in one block as in a ring; `batch` to a vector. */
function copied(packets: readonly Uint8Array[], batch: number): { octets: Buffer[]; copier: Copier } {
  const octets: Buffer[] = [];
  const place = new Uint8Array(2048);
  const transmitter: Transmitter = {
    capacity: place.length,
    counters: { sent: 0, sentOctets: 0, failed: 0, refused: 0, tooLong: 0, lastError: null },
    reserve: () => place,
    send: (length) => octets.push(Buffer.from(place.subarray(0, length))),
    flush: () => {},
    widen: () => {},
    room: async () => {},
    close: async () => {},
  };
  const tokens = new SessionTokens();
  const selection = new FlowSelection({ maxFlows: 64, idleMs: 1000, lingerMs: 1000, seed: 1, tokens });
  const tunnel = new Tunnel("c", TARGET, new CopyEncoder({ key: null, room: 1500 }), transmitter, AGENT_DEFAULTS);
  const copier = new Copier(selection, new Tunnels([tunnel]), new Bandwidth());
  const vector = new PacketVector();
  vector.use(Uint8Array.from(Buffer.concat(packets)));
  let at = 0;
  for (const [n, { length }] of packets.entries()) {
    vector.add(at, length, length, BEGIN + n, LINKTYPE_RAW, 0);
    at += length;
    if (vector.length < batch && n + 1 < packets.length) continue;
    copier.take(vector);
    vector.clear();
  }
  return { octets, copier };
}

/** A ping in two fragments. */
const ping = [0x2000, 1].map((place) => {
  const octets = ip(ICMP, "10.1.0.1", "10.2.0.2", Buffer.alloc(8), 7);
  octets.writeUInt16BE(place, 6);
  return octets;
});

it.each([1, 3, 64])("copies the packets of MPTCP flows, whatever passes between them: vectors of %i", (batch) => {
  const talk = new Conversation().open();
  for (let n = 0; n < 40; n++) talk.send(0, `question ${n}`).send(1, `answer ${n}`);
  const session = talk.packets.map(({ octets }) => octets);
  const others = [...ping, ip(UDP, "10.1.0.1", "10.2.0.2", Buffer.alloc(20))];
  const traffic = session.flatMap((octets, n) => (n % 5 === 2 ? [...others, octets] : [octets]));
  const { octets, copier } = copied(traffic, batch);
  const headerOctets = (octets[0]?.length ?? 0) - (session[0]?.length ?? 0);
  expect(octets.map((copy) => copy.subarray(headerOctets))).toEqual(session.map((packet) => Buffer.from(packet)));
  expect(copier).toMatchObject({ seen: traffic.length, selected: session.length, limited: 0 });
});
