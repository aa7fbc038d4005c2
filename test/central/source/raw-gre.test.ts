import { createRequire } from "node:module";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { RawGreSource } from "../../../collectors/central/source/raw-gre.ts";
import { encodeGreHeader } from "../../../src/encapsulate/gre-header.ts";
import { LINKTYPE_IPV4, LINKTYPE_IPV6 } from "../../../src/wire/link-type.ts";
import { needs, titled } from "../../support/requirements.ts";

const log = pino({ level: "silent" });
const reason = needs("Linux", "root", "raw-socket");
/** Other tests may send GRE over loopback at the same time. */
const KEY = 0x5eed0000 + (process.pid & 0xffff);

/** Holds what sends: raw-socket lets a socket be collected that only a suspended function refers to. */
const senders = new Set<RawSocket>();

interface RawSocket {
  send(octets: Buffer, at: number, length: number, to: string, done: (error: Error | null) => void): void;
  close(): void;
}

/** Sends GRE packets from a socket of its own: raw-socket wants one for each direction. */
async function send(version: 4 | 6, packets: readonly Buffer[]): Promise<void> {
  const raw = createRequire(import.meta.url)("raw-socket");
  const addressFamily = version === 4 ? raw.AddressFamily.IPv4 : raw.AddressFamily.IPv6;
  const socket: RawSocket = raw.createSocket({ protocol: 47, addressFamily });
  senders.add(socket);
  for (const octets of packets) {
    await new Promise<void>((resolve, reject) => {
      const to = version === 4 ? "127.0.0.1" : "::1";
      socket.send(octets, 0, octets.length, to, (error) => (error ? reject(error) : resolve()));
    });
  }
  socket.close();
  senders.delete(socket);
}

describe.skipIf(reason)(titled("raw GRE source", reason), () => {
  test.each([
    [4, LINKTYPE_IPV4, 20],
    [6, LINKTYPE_IPV6, 40],
  ] as const)("IPv%i: each packet behind its outer header, however long", async (version, linkType, ipOctets) => {
    const seen: { linkType: number; octets: Buffer }[] = [];
    const source = new RawGreSource(
      version,
      1 << 20,
      (vector) => {
        for (let i = 0; i < vector.length; i++) {
          const at = vector.at[i] ?? 0;
          const octets = Buffer.from(vector.block.slice(at, at + (vector.captured[i] ?? 0)));
          if (octets.readUInt32BE(ipOctets + 4) === KEY) seen.push({ linkType: vector.linkType[i] ?? 0, octets });
        }
      },
      0,
      log,
    );
    await source.start();
    const packets = [100, 4096, 9000, 60_000].map((length, i) => {
      const octets = Buffer.alloc(length, i + 1);
      encodeGreHeader(octets, 0x0800, KEY, i);
      return octets;
    });
    await send(version, packets);
    await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(packets.length);
    await source.stop(1000);
    expect(seen.map((packet) => packet.linkType)).toEqual(packets.map(() => linkType));
    for (const [i, packet] of packets.entries()) {
      const octets = seen[i]?.octets ?? Buffer.alloc(0);
      expect(octets.subarray(ipOctets).equals(packet)).toBe(true);
      if (version === 4) expect(octets.subarray(12, 16)).toEqual(Buffer.from([127, 0, 0, 1]));
      else expect(octets.subarray(8, 24)).toEqual(Buffer.from(`${"00".repeat(15)}01`, "hex"));
    }
    expect(source.counters()).toMatchObject({ kernelDrops: 0 });
  });

  test("a flood that nobody reads shows as drops of the kernel", async () => {
    const source = new RawGreSource(4, 4096, () => {}, 0, log);
    await source.start();
    const { socket } = source as unknown as { socket: { pauseRecv(): void; resumeRecv(): void } };
    socket.pauseRecv();
    const packet = Buffer.alloc(2000);
    encodeGreHeader(packet, 0x0800, KEY, 0);
    await send(4, Array<Buffer>(100).fill(packet));
    const drops = source.counters().kernelDrops ?? 0;
    expect(drops).toBeGreaterThan(50);
    socket.resumeRecv();
    await source.stop(1000);
    expect(source.counters().kernelDrops).toBeGreaterThanOrEqual(drops);
    expect(source.counters().packets + (source.counters().kernelDrops ?? 0)).toBeGreaterThanOrEqual(100);
  });
});
