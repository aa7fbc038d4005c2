import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { BatchedDatagrams } from "../../../collectors/central/source/batched-datagrams.ts";
import { kernelDrops } from "../../../collectors/central/source/kernel-drops.ts";
import { SingleDatagrams } from "../../../collectors/central/source/single-datagrams.ts";
import type { UdpInput } from "../../../collectors/central/source/udp-input.ts";
import { FAILED, type Libc, loadLibc } from "../../../collectors/linux/libc.ts";
import type { PacketVector } from "../../../src/vector.ts";
import { LINKTYPE_IPV4, LINKTYPE_IPV6 } from "../../../src/wire/link-type.ts";
import { needs, titled } from "../../support/requirements.ts";

/** A datagram as it comes out of a vector, behind its delivery header. */
interface Arrived {
  readonly linkType: number;
  readonly from: string;
  readonly port: number;
  readonly datagram: Buffer;
  readonly atMicros: number;
  readonly source: number;
}

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const socket of opened.splice(0)) await socket.close();
});

/** Reads the packets of a vector; all that must be right of any is looked at here. */
function arrived(vector: PacketVector): Arrived[] {
  return Array.from({ length: vector.length }, (_, i) => {
    const at = vector.at[i] ?? 0;
    const octets = Buffer.from(vector.block.slice(at, at + (vector.captured[i] ?? 0)));
    expect(vector.wire[i]).toBe(octets.length);
    const linkType = vector.linkType[i] ?? 0;
    const ip = linkType === LINKTYPE_IPV4 ? 20 : 40;
    expect((octets[0] ?? 0) >> 4).toBe(linkType === LINKTYPE_IPV4 ? 4 : 6);
    expect(octets.readUInt16BE(ip + 4)).toBe(octets.length - ip);
    return {
      linkType,
      from: octets.subarray(ip === 20 ? 12 : 8, ip === 20 ? 16 : 24).toString("hex"),
      port: octets.readUInt16BE(ip),
      datagram: octets.subarray(ip + 8),
      atMicros: vector.atMicros[i] ?? 0,
      source: vector.source[i] ?? 0,
    };
  });
}

async function sender(family: "udp4" | "udp6"): Promise<Socket> {
  const socket = createSocket(family);
  socket.bind(0, family === "udp4" ? "127.0.0.1" : "::1");
  await once(socket, "listening");
  opened.push(socket);
  return socket;
}

function send(socket: Socket, datagram: Uint8Array, port: number, to: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(datagram, port, to, (error) => (error === null ? resolve() : reject(error)));
  });
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !condition() && Date.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Octets that tell a datagram from every other. */
const numbered = (n: number, length: number): Buffer => Buffer.alloc(length, Buffer.from(`${n};`));

const ways = [
  {
    way: "in batches",
    reason: needs("Linux", "koffi"),
    open: async (host: string, take: (vector: PacketVector) => void): Promise<UdpInput> =>
      BatchedDatagrams.open(await loadLibc(), { host, port: 0 }, 4754, take, 5, () => undefined),
  },
  {
    way: "one at a time",
    reason: needs("Linux"),
    open: (host: string, take: (vector: PacketVector) => void): Promise<UdpInput> =>
      SingleDatagrams.open({ host, port: 0 }, 4754, take, 5, () => undefined),
  },
];

describe.each(ways)("UDP datagrams read $way", ({ reason, open }) => {
  const it = (title: string, run: () => Promise<void>) => test.skipIf(reason)(titled(title, reason), run);
  const listen = async (host: string, take: (vector: PacketVector) => void): Promise<UdpInput> => {
    const input = await open(host, take);
    opened.push(input);
    input.setReceiveBuffer(4 << 20);
    return input;
  };

  const cases = [
    { host: "127.0.0.1", to: "127.0.0.1", family: "udp4", linkType: LINKTYPE_IPV4, from: "7f000001" },
    { host: "::1", to: "::1", family: "udp6", linkType: LINKTYPE_IPV6, from: `${"00".repeat(15)}01` },
    { host: "::", to: "127.0.0.1", family: "udp4", linkType: LINKTYPE_IPV4, from: "7f000001" },
  ] as const;
  for (const { host, to, family, linkType, from } of cases) {
    it(`${to} at ${host}: a burst of all sizes from several senders, octet for octet and in order`, async () => {
      const got: Arrived[] = [];
      const input = await listen(host, (vector) => got.push(...arrived(vector)));
      const senders = [await sender(family), await sender(family), await sender(family)];
      // Few of the longest: other tests capture on this loopback device.
      const lengths = fc.oneof(fc.constantFrom(0, 1, 28, 1400), fc.nat(3000));
      const property = fc.asyncProperty(fc.array(fc.tuple(lengths, fc.nat(2)), { maxLength: 140 }), async (plan) => {
        got.length = 0;
        const sent = plan.map(([length, who], n) => ({ who, datagram: numbered(n, length) }));
        const beginMicros = Date.now() * 1000;
        const before = { packets: input.packets, octets: input.octets };
        // At most two megabytes under way: more than that need not find room.
        let room = 0;
        for (const [n, { who, datagram }] of sent.entries()) {
          await send(senders[who] as Socket, datagram, input.port, to);
          room += datagram.length + 1000;
          if (room > 1_000_000) await until(() => got.length > n);
          if (room > 1_000_000) room = 0;
        }
        await until(() => got.length >= sent.length);
        expect(got.map(({ datagram }) => datagram.length)).toEqual(sent.map(({ datagram }) => datagram.length));
        expect(got.every(({ datagram }, n) => datagram.equals(sent[n]?.datagram as Buffer))).toBe(true);
        expect(got.map(({ port }) => port)).toEqual(sent.map(({ who }) => senders[who]?.address().port));
        expect(got.every((one) => one.linkType === linkType && one.from === from && one.source === 5)).toBe(true);
        const times = got.map(({ atMicros }) => atMicros);
        expect(times).toEqual(times.toSorted((a, b) => a - b));
        for (const time of times) expect(Math.abs(time - beginMicros)).toBeLessThan(15e6);
        expect(input.packets - before.packets).toBe(sent.length);
        const headers = linkType === LINKTYPE_IPV4 ? 28 : 48;
        expect(input.octets - before.octets).toBe(sent.reduce((sum, one) => sum + one.datagram.length + headers, 0));
      });
      await fc.assert(property, {
        numRuns: 6,
        examples: [[[0, 1, 65_507, 9000, 0, 65_507, 1].map((n) => [n, n % 3])]],
      });
    });
  }

  it("closes in the midst of a burst: what was handed over is a beginning of it, and nothing comes afterwards", async () => {
    const got: Arrived[] = [];
    let closing: Promise<void> | null = null;
    const input: UdpInput = await listen("127.0.0.1", (vector) => {
      got.push(...arrived(vector));
      closing ??= Promise.resolve().then(() => input.close());
    });
    const from = await sender("udp4");
    await Promise.all(Array.from({ length: 500 }, (_, n) => send(from, numbered(n, 40), input.port, "127.0.0.1")));
    await until(() => closing !== null);
    await closing;
    opened.splice(opened.indexOf(input), 1);
    const { length } = got;
    expect(length).toBeGreaterThan(0);
    expect(length).toBeLessThan(500);
    expect(got.map(({ datagram }) => datagram.toString())).toEqual(got.map((_, n) => numbered(n, 40).toString()));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(got).toHaveLength(length);
    expect(input.packets).toBe(length);
    // The port is free again.
    const next = createSocket("udp4");
    opened.push(next);
    next.bind(input.port, "127.0.0.1");
    await once(next, "listening");
  });

  it("a receive buffer that is full: its drops are told, and with what came they are all", async () => {
    const got: Arrived[] = [];
    const input = await listen("127.0.0.1", (vector) => got.push(...arrived(vector)));
    expect(input.setReceiveBuffer(16_384)).toBe(16_384);
    const from = await sender("udp4");
    // All of them before the event loop turns: the kernel takes them at once, and nobody reads.
    const sent = Array.from({ length: 300 }, (_, n) => send(from, numbered(n, 1000), input.port, "127.0.0.1"));
    await Promise.all(sent);
    await until(() => got.length + (kernelDrops("udp", "127.0.0.1", input.port) ?? 0) >= 300);
    const drops = kernelDrops("udp", "127.0.0.1", input.port) ?? 0;
    expect(drops).toBeGreaterThan(200);
    expect(got.length + drops).toBe(300);
    expect(got.map(({ datagram }) => datagram.toString())).toEqual(got.map((_, n) => numbered(n, 1000).toString()));
  });
});

const reason = needs("Linux", "koffi");

const rootReason = needs("Linux", "root", "koffi");

test.skipIf(rootReason)(
  titled("root has the receive buffer that is asked for, beyond rmem_max", rootReason),
  async () => {
    const beyond = Number(readFileSync("/proc/sys/net/core/rmem_max", "utf8")) + 65_536;
    const input = BatchedDatagrams.open(
      await loadLibc(),
      { host: "127.0.0.1", port: 0 },
      4754,
      () => undefined,
      0,
      () => undefined,
    );
    opened.push(input);
    expect(input.setReceiveBuffer(beyond)).toBe(beyond);
  },
);

test.skipIf(reason)(titled("what the kernel refuses to hand over is told once, and tried again", reason), async () => {
  const libc = await loadLibc();
  let failures = 0;
  let failed = false;
  const failing: Libc = {
    ...libc,
    recvmmsg(...words) {
      failed = failures > 0;
      if (!failed) return libc.recvmmsg(...words);
      failures--;
      return FAILED;
    },
    errorName: () => (failed ? "ENOMEM" : libc.errorName()),
  };
  const told: string[] = [];
  const got: Arrived[] = [];
  const input = BatchedDatagrams.open(
    failing,
    { host: "127.0.0.1", port: 0 },
    4754,
    (vector) => got.push(...arrived(vector)),
    0,
    (what) => told.push(what),
  );
  opened.push(input);
  failures = 5;
  await send(await sender("udp4"), numbered(1, 10), input.port, "127.0.0.1");
  await until(() => got.length > 0);
  expect(told).toEqual(["recvmmsg ENOMEM"]);
  expect(got).toHaveLength(1);
});

test.skipIf(reason)(titled("a socket that cannot be had gives everything back", reason), async () => {
  const libc = await loadLibc();
  const held = new Set<unknown>();
  let maps = 0;
  const failing = (failAt: number): Libc => ({
    ...libc,
    socket(...words) {
      const fd = libc.socket(...words);
      held.add(fd);
      return fd;
    },
    close(fd) {
      held.delete(fd);
      return libc.close(fd);
    },
    map(...words) {
      if (++maps === failAt) return null;
      const mapping = libc.map(...words);
      held.add(mapping);
      return mapping;
    },
    unmap(mapping) {
      held.delete(mapping);
      libc.unmap(mapping);
    },
    errorName: () => (maps === failAt ? "ENOMEM" : libc.errorName()),
  });
  const address = { host: "127.0.0.1", port: 0 };
  // What waits for sockets is the process's and stays.
  const first = BatchedDatagrams.open(
    libc,
    address,
    4754,
    () => undefined,
    0,
    () => undefined,
  );
  opened.push(first);
  for (const failAt of [1, 2]) {
    maps = 0;
    const open = () =>
      BatchedDatagrams.open(
        failing(failAt),
        address,
        4754,
        () => undefined,
        0,
        () => undefined,
      );
    expect(open).toThrow(/no memory for datagrams/);
    expect(held.size).toBe(0);
  }
  const elsewhere = { host: "192.0.2.1", port: 0 };
  const open = () =>
    BatchedDatagrams.open(
      failing(0),
      elsewhere,
      4754,
      () => undefined,
      0,
      () => undefined,
    );
  expect(open).toThrow(expect.objectContaining({ code: "EADDRNOTAVAIL" }));
  expect(held.size).toBe(0);
});
