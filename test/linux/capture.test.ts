import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import type { Capture } from "../../collectors/linux/capture.ts";
import { FAILED, type Libc, loadLibc } from "../../collectors/linux/libc.ts";
import { openCapture } from "../../collectors/linux/open-capture.ts";
import { PacketRing } from "../../collectors/linux/packet-ring.ts";
import { pathMtu } from "../../collectors/linux/path-mtu.ts";
import { RingCapture } from "../../collectors/linux/ring-capture.ts";
import { LINKTYPE_ETHERNET } from "../../src/wire/link-type.ts";
import { needs, titled } from "../support/requirements.ts";

const DATAGRAMS = 3000;
const HEADERS = 14 + 20 + 8;

/** What a capture saw of the datagrams that `send` made: their numbers in order, and each one's octets on the wire. */
interface Seen {
  readonly numbers: number[];
  readonly wire: Set<number>;
  readonly linkTypes: Set<number>;
  readonly sources: Set<number>;
  readonly atMicros: number[];
}

/** Sends numbered datagrams over loopback to a port that nobody else uses, and gathers those that the capture shows. */
async function observe(capture: Capture, octets: number): Promise<Seen> {
  const to = createSocket("udp4");
  to.bind(0, "127.0.0.1");
  await once(to, "listening");
  const { port } = to.address();
  const seen: Seen = { numbers: [], wire: new Set(), linkTypes: new Set(), sources: new Set(), atMicros: [] };
  const running = capture.run((vector) => {
    for (let i = 0; i < vector.length; i++) {
      const at = vector.at[i] ?? 0;
      const captured = vector.captured[i] ?? 0;
      if (captured < HEADERS + 4 || vector.view.getUint8(at + 23) !== 17) continue;
      if (vector.view.getUint16(at + 36) !== port) continue;
      seen.numbers.push(vector.view.getUint32(at + HEADERS));
      seen.wire.add(vector.wire[i] ?? 0);
      seen.linkTypes.add(vector.linkType[i] ?? 0);
      seen.sources.add(vector.source[i] ?? 0);
      seen.atMicros.push(vector.atMicros[i] ?? 0);
    }
  });
  const from = createSocket("udp4");
  for (let n = 0; n < DATAGRAMS; n++) {
    const datagram = Buffer.alloc(octets);
    datagram.writeUInt32BE(n);
    // `send` calls back before the event loop turns: without this the capture would have no turn until all are sent.
    await new Promise((resolve) => from.send(datagram, port, "127.0.0.1", () => setImmediate(resolve)));
  }
  // All of them, or as many as come: what the kernel dropped never does.
  for (let before = -1; seen.numbers.length < DATAGRAMS && seen.numbers.length > before; ) {
    before = seen.numbers.length;
    await new Promise((resolve) => setTimeout(resolve, 1500));
  }
  from.close();
  to.close();
  capture.stop();
  await running;
  return seen;
}

const points = [{ name: "lo", source: 3 }];
const everyNumber = Array.from({ length: DATAGRAMS }, (_, n) => n);

describe.each([
  { by: "ring", reason: needs("Linux", "root", "koffi") },
  { by: "tcpdump", reason: needs("root", "tcpdump") },
] as const)("capturing by $by", ({ by, reason }) => {
  const open = (): Promise<Capture> =>
    openCapture({ points, direction: "both", promiscuous: false, user: null, filter: null, by, warn: () => undefined });

  it.skipIf(reason)(
    titled("shows every packet of the loopback device once, in order, with its time", reason),
    async () => {
      const begin = Date.now() * 1000;
      let capture = await open();
      let seen = await observe(capture, 40);
      // The device is everybody's: what others send at the time may be more than there is room for.
      for (let again = 0; again < 3 && capture.lost() > 0; again++) {
        capture = await open();
        seen = await observe(capture, 40);
      }
      expect(seen.numbers).toEqual(everyNumber);
      expect([...seen.wire]).toEqual([HEADERS + 40]);
      expect([...seen.linkTypes]).toEqual([LINKTYPE_ETHERNET]);
      expect([...seen.sources]).toEqual([3]);
      expect(Math.min(...seen.atMicros)).toBeGreaterThan(begin - 1e6);
      expect(Math.max(...seen.atMicros)).toBeLessThan(Date.now() * 1000 + 1e6);
      expect(capture.lost()).toBe(0);
    },
  );

  it.skipIf(reason)(titled("shows packets longer than any link's, or counts them as lost", reason), async () => {
    const capture = await open();
    const seen = await observe(capture, 16_000);
    expect(seen.numbers).toEqual([...new Set(seen.numbers)].toSorted((a, b) => a - b));
    expect(seen.numbers.length + capture.lost()).toBeGreaterThanOrEqual(DATAGRAMS);
    expect([...seen.wire]).toEqual([HEADERS + 16_000]);
    // Three times round the whole ring, which is emptied fast enough.
    if (by === "ring") expect(capture.lost()).toBe(0);
  });

  it.skipIf(reason)(titled("refuses an interface that is not there", reason), async () => {
    const unknown = openCapture({
      points: [{ name: "nosuchdev", source: 0 }],
      direction: "both",
      promiscuous: false,
      user: null,
      filter: null,
      by,
      warn: () => undefined,
    });
    await expect(unknown).rejects.toMatchObject({
      name: "OperationalError",
      message: expect.stringContaining("nosuchdev"),
    });
  });
});

const ringReason = needs("Linux", "root", "koffi");

it.skipIf(ringReason)(titled("a ring that nobody empties counts what the kernel had to drop", ringReason), async () => {
  const capture = new RingCapture(await loadLibc(), {
    points,
    direction: "both",
    promiscuous: false,
    filter: null,
    onInterface: () => undefined,
  });
  const to = createSocket("udp4");
  to.bind(0, "127.0.0.1");
  await once(to, "listening");
  const { port } = to.address();
  // 16 MiB of ring take some 400 of these.
  for (let n = 0; n < 600; n++)
    await new Promise((resolve) => to.send(Buffer.alloc(40_000), port, "127.0.0.1", resolve));
  expect(capture.lost()).toBeGreaterThan(50);
  const lost = capture.lost();
  let seen = 0;
  const running = capture.run((vector) => {
    for (let i = 0; i < vector.length; i++) {
      if ((vector.wire[i] ?? 0) === HEADERS + 40_000) seen++;
    }
  });
  capture.stop();
  await running;
  to.close();
  expect(seen + lost).toBeGreaterThanOrEqual(600);
  expect(capture.lost()).toBeGreaterThanOrEqual(lost);
});

it.skipIf(ringReason)(titled("rings are opened on 64 interfaces, and not on one more", ringReason), async () => {
  const libc = await loadLibc();
  const ringsOn = (count: number) =>
    new RingCapture(libc, {
      points: Array.from({ length: count }, (_, source) => ({ name: "nosuchdev", source })),
      ...{ direction: "both", promiscuous: false, filter: null, onInterface: () => undefined },
    });
  expect(() => ringsOn(65)).toThrow("at most 64 interfaces can be captured on");
  expect(() => ringsOn(64)).toThrow(/nosuchdev/);
});

it.skipIf(ringReason)(titled("a ring that fails at the last step gives everything back", ringReason), async () => {
  const libc = await loadLibc();
  const held = new Set<unknown>();
  let binds = 0;
  const failing: Libc = {
    ...libc,
    // The second bind begins the reception; its failure is that of an interface that went away just then.
    bind: (fd, ...words) => libc.bind(++binds === 2 ? FAILED : fd, ...words),
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
      const mapping = libc.map(...words);
      held.add(mapping);
      return mapping;
    },
    unmap(mapping) {
      held.delete(mapping);
      libc.unmap(mapping);
    },
  };
  const ring = () =>
    new PacketRing(failing, { name: "lo", source: 0 }, { direction: "both", promiscuous: false, filter: null });
  expect(ring).toThrow(/could not be bound/);
  expect(held.size).toBe(0);
});

it.skipIf(ringReason)(titled("an interface that stays unusable is tried about once a second", ringReason), async () => {
  const libc = await loadLibc();
  let unusable = false;
  let attempts = 0;
  const failing: Libc = {
    ...libc,
    interfaceIndex: (name) => libc.interfaceIndex(name) + (unusable ? 1_000_000 : 0),
    socket(...words) {
      attempts++;
      return libc.socket(...words);
    },
  };
  const events: string[] = [];
  const capture = new RingCapture(failing, {
    points,
    direction: "both",
    promiscuous: false,
    filter: null,
    onInterface: (name, event) => events.push(`${name} ${event}`),
  });
  attempts = 0;
  unusable = true;
  const running = capture.run(() => undefined);
  const begun = performance.now();
  await expect.poll(() => attempts, { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
  // A second lies between any two.
  expect(attempts).toBeLessThanOrEqual(1 + (performance.now() - begun) / 1000);
  unusable = false;
  await expect.poll(() => events, { timeout: 10_000 }).toHaveLength(2);
  capture.stop();
  await running;
  expect(events).toEqual(["lo gone", "lo back"]);
});

it.skipIf(ringReason)(titled("a filter that the kernel refuses later is told by its error", ringReason), async () => {
  const libc = await loadLibc();
  let refuses = false;
  const refusing: Libc = {
    ...libc,
    setsockopt: (...words) => (refuses ? FAILED : libc.setsockopt(...words)),
    errorName: () => "EPERM",
  };
  // One instruction of classic BPF: all of a packet passes.
  const filter = () => Uint8Array.of(6, 0, 0, 0, 255, 255, 3, 0);
  const options = { points, direction: "both", promiscuous: false, filter, onInterface: () => undefined } as const;
  const capture = new RingCapture(refusing, options);
  expect(capture.renewFilter()).toBeNull();
  refuses = true;
  expect(capture.renewFilter()).toBe("EPERM");
  const running = capture.run(() => undefined);
  capture.stop();
  await running;
});

const libcReason = needs("Linux", "koffi");

it.skipIf(libcReason)(
  titled("the path MTU of loopback is the loopback device's, over IPv4 and IPv6", libcReason),
  async () => {
    const libc = await loadLibc();
    expect(pathMtu(libc, "127.0.0.1")).toBe(65_535); // the kernel goes no higher for IPv4
    expect(pathMtu(libc, "::1")).toBe(65_536);
    expect(pathMtu(libc, "not an address")).toBeNull();
  },
);
