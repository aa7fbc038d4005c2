import { expect, it } from "vitest";
import { AGENT_DEFAULTS } from "../../collectors/agent/agent-contract.ts";
import { Copier } from "../../collectors/agent/copier.ts";
import { QueuedTransmitter } from "../../collectors/agent/transmitter.ts";
import { Tunnel } from "../../collectors/agent/tunnel.ts";
import { Tunnels } from "../../collectors/agent/tunnels.ts";
import { Bandwidth } from "../../src/encapsulate/bandwidth.ts";
import { CopyEncoder } from "../../src/encapsulate/copy-encoder.ts";
import { FlowSelection } from "../../src/encapsulate/flow-selection.ts";
import { PacketVector } from "../../src/vector.ts";
import { LINKTYPE_ETHERNET } from "../../src/wire/link-type.ts";
import { ACK } from "../../src/wire/tcp.ts";
import { packetOf } from "./frames.ts";
import { HeldSocket } from "./held-socket.ts";

/** The longest copies: 128 of them fill the arena. */
const CAPACITY = 65_536;
const LONGEST = 128;
/** A copy takes pieces of 2 KiB, of which there are 4,096; so many short ones are taken while the longest would have room. */
const PIECE = 2048;
const PLACES = 4097 - CAPACITY / PIECE;

it("has a bound: copies beyond it are dropped and counted, and leave a gap in the numbers", () => {
  const socket = new HeldSocket();
  const transmitter = new QueuedTransmitter(socket, CAPACITY);
  const target = { address: "192.0.2.9", family: 4, port: 4754 } as const;
  const tunnel = new Tunnel("c", target, new CopyEncoder({ key: null, room: 1500 }), transmitter, AGENT_DEFAULTS);
  const copier = new Copier(
    new FlowSelection({ maxFlows: 64, idleMs: 1000, lingerMs: 1000, seed: 1 }),
    new Tunnels([tunnel]),
    new Bandwidth(),
  );
  const { octets } = packetOf({ atMicros: 1, flags: ACK, option: true, payload: 9 });
  const vector = new PacketVector();
  const copyOnce = () => {
    vector.use(Uint8Array.from(octets));
    vector.add(0, octets.length, octets.length, 1, LINKTYPE_ETHERNET, 0);
    copier.take(vector);
  };
  for (let n = 0; n < PLACES + 3; n++) copyOnce();
  expect([copier.selected, tunnel.dropped, socket.under.length]).toEqual([PLACES + 3, 3, PLACES]);

  // The longest copy would need so many in a row.
  for (let n = 0; n < CAPACITY / PIECE; n++) socket.under[n]?.done(null);
  copyOnce();
  const sequences = socket.under.map(({ octets }) => Buffer.from(octets).readUInt32BE(4));
  expect(sequences.slice(CAPACITY / PIECE)).toEqual([
    ...Array.from({ length: PLACES - CAPACITY / PIECE }, (_, n) => n + CAPACITY / PIECE),
    PLACES + 3,
  ]);
});

it("has room for as many copies of usual length where they may be of 64 KiB as where they may not", () => {
  for (const capacity of [1500, CAPACITY]) {
    const transmitter = new QueuedTransmitter(new HeldSocket(), capacity);
    let copies = 0;
    for (; transmitter.reserve() !== null; copies++) transmitter.send(1500);
    expect(copies).toBe(4097 - Math.ceil(capacity / PIECE));
  }
});

it("goes round its arena with copies of any length, none over another that is under way", () => {
  const socket = new HeldSocket();
  const transmitter = new QueuedTransmitter(socket, CAPACITY);
  const lengths = [1, 2048, 2049, 60_000, CAPACITY, 100, 9000];
  const isWhole = ({ octets }: { readonly octets: Uint8Array }, n: number) =>
    octets.length === lengths[n % lengths.length] && octets.every((octet) => octet === n % 251);
  let sent = 0;
  let done = 0;
  for (let round = 0; round < 6; round++) {
    for (let place = transmitter.reserve(); place !== null; place = transmitter.reserve(), sent++) {
      const length = lengths[sent % lengths.length] ?? 0;
      place.fill(sent % 251, 0, length);
      transmitter.send(length);
    }
    expect(socket.under.slice(done).every((copy, n) => isWhole(copy, done + n))).toBe(true);
    // A third goes; of the last two the later one first.
    const upTo = done + Math.floor((sent - done) / 3);
    for (; done < upTo - 2; done++) socket.under[done]?.done(null);
    socket.under[done + 1]?.done(null);
    socket.under[done]?.done(null);
    done += 2;
  }
  for (; done < sent; done++) socket.under[done]?.done(null);
  expect(transmitter.counters).toMatchObject({ sent, failed: 0 });
  expect(transmitter.reserve()?.byteOffset).toBe(0);
});

it("keeps a copy's octets until the socket is done with them", () => {
  const socket = new HeldSocket();
  const transmitter = new QueuedTransmitter(socket, CAPACITY);
  for (let n = 0; n < LONGEST; n++) {
    transmitter.reserve()?.fill(n);
    transmitter.send(CAPACITY);
  }
  expect(transmitter.reserve()).toBeNull();
  expect(socket.under.map(({ octets }) => [octets.length, octets[0], octets.at(-1)])).toEqual(
    Array.from({ length: LONGEST }, (_, n) => [CAPACITY, n, n]),
  );
});

it("counts what was sent and what was refused, and remembers why", () => {
  const socket = new HeldSocket();
  const transmitter = new QueuedTransmitter(socket, CAPACITY);
  for (const error of [null, "ENOBUFS", null]) {
    transmitter.reserve();
    transmitter.send(100);
    socket.under.at(-1)?.done(error);
  }
  expect(transmitter.counters).toEqual({
    sent: 2,
    sentOctets: 200,
    failed: 1,
    refused: 0,
    tooLong: 0,
    lastError: "ENOBUFS",
  });
});

it("has longer places when it is told so and nothing is under way", () => {
  const socket = new HeldSocket();
  const transmitter = new QueuedTransmitter(socket, 1000);
  transmitter.reserve();
  transmitter.send(1000);
  transmitter.widen(2000);
  expect([transmitter.capacity, transmitter.reserve()?.length]).toEqual([1000, 1000]);
  socket.under[0]?.done(null);
  transmitter.widen(2000);
  expect([transmitter.capacity, transmitter.reserve()?.length]).toEqual([2000, 2000]);
  for (const fill of [1, 2]) {
    transmitter.reserve()?.fill(fill);
    transmitter.send(2000);
  }
  expect(socket.under.slice(1).map(({ octets }) => [octets[0], octets[1999]])).toEqual([
    [1, 1],
    [2, 2],
  ]);
});

it("lets a sender that can wait do so until half of the places are free", async () => {
  const socket = new HeldSocket();
  const transmitter = new QueuedTransmitter(socket, CAPACITY);
  for (let n = 0; n < LONGEST; n++) {
    transmitter.reserve();
    transmitter.send(CAPACITY);
  }
  let ready = false;
  const room = transmitter.room().then(() => {
    ready = true;
  });
  for (let n = 0; n < LONGEST / 2 - 1; n++) socket.under[n]?.done(null);
  await Promise.resolve();
  expect(ready).toBe(false);
  socket.under[LONGEST / 2 - 1]?.done(null);
  await room;
});

it("closes after copies under way, or without them when they take too long, and counts those as failed", async () => {
  const socket = new HeldSocket();
  const transmitter = new QueuedTransmitter(socket, CAPACITY);
  for (let n = 0; n < 3; n++) {
    transmitter.reserve();
    transmitter.send(1);
  }
  const closing = transmitter.close();
  socket.under[0]?.done(null);
  expect(socket.closed).toBe(false);
  await closing;
  expect(socket.closed).toBe(true);
  expect(transmitter.counters).toMatchObject({ sent: 1, failed: 2, lastError: "closed" });
});

it("counts once what its socket answers for after all, and has no place and nobody waiting when it is closed", async () => {
  const socket = new HeldSocket();
  const transmitter = new QueuedTransmitter(socket, CAPACITY);
  for (let n = 0; n < LONGEST; n++) {
    transmitter.reserve();
    transmitter.send(CAPACITY);
  }
  const room = transmitter.room();
  await transmitter.close();
  await room;
  socket.under[0]?.done(null);
  socket.under[1]?.done("ECANCELED");
  expect(transmitter.counters).toMatchObject({ sent: 0, failed: LONGEST, lastError: "closed" });
  expect(transmitter.reserve()).toBeNull();
});
