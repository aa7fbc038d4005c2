import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import fc from "fast-check";
import { afterEach, describe, expect, it, test } from "vitest";
import { QueuedTransmitter } from "../../collectors/agent/transmitter.ts";
import { openUdpSocket } from "../../collectors/agent/udp-socket.ts";
import { FAILED, type Libc, loadLibc } from "../../collectors/linux/libc.ts";
import { needs, titled } from "../support/requirements.ts";

const CAPACITY = 65_535;

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});

/** Somebody who keeps what comes. */
async function receiver(
  host: "127.0.0.1" | "::1",
): Promise<{ port: number; got: { datagram: Buffer; port: number }[] }> {
  const socket = createSocket(host === "::1" ? "udp6" : "udp4");
  socket.bind(0, host);
  await once(socket, "listening");
  socket.setRecvBufferSize(4 << 20);
  sockets.push(socket);
  const got: { datagram: Buffer; port: number }[] = [];
  socket.on("message", (datagram: Buffer, { port }) => got.push({ datagram, port }));
  return { port: socket.address().port, got };
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 5000; !condition() && Date.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const target = (address: "127.0.0.1" | "::1", port: number) => ({
  address,
  family: address === "::1" ? (6 as const) : (4 as const),
  port,
});

function send(transmitter: QueuedTransmitter, octets: Uint8Array): void {
  const place = transmitter.reserve();
  if (place === null) throw new Error("every place is under way");
  place.set(octets);
  transmitter.send(octets.length);
}

/** Octets that tell a copy from every other. */
const numbered = (n: number, length: number): Buffer => Buffer.alloc(length, Buffer.from(`${n};`));

describe.each([
  { way: "in batches", reason: needs("Linux", "koffi"), load: (): Promise<Libc | null> => loadLibc() },
  { way: "one at a time", reason: undefined, load: async (): Promise<Libc | null> => null },
])("copies sent $way", ({ reason, load }) => {
  const each = (title: string, run: () => Promise<void>) => it.skipIf(reason)(titled(title, reason), run);

  for (const host of ["127.0.0.1", "::1"] as const) {
    each(`arrive at ${host} octet for octet, in order, from one port, whatever their lengths`, async () => {
      const { port, got } = await receiver(host);
      // The longest ones are too long for loopback over IPv6.
      const socket = await openUdpSocket(target(host, port), await load(), null, true);
      const transmitter = new QueuedTransmitter(socket, CAPACITY);
      // Few of the longest: other tests capture on this loopback device.
      const lengths = fc.oneof(fc.constantFrom(0, 1, 1400), fc.nat(3000));
      const vectors = fc.array(fc.array(lengths, { minLength: 1, maxLength: 20 }), { maxLength: 6 });
      let sent = 0;
      let octets = 0;
      const property = fc.asyncProperty(vectors, async (plan) => {
        got.length = 0;
        const copies = plan.map((vector) => vector.map((length) => numbered(sent + octets + length, length)));
        for (const vector of copies) {
          for (const copy of vector) send(transmitter, copy);
          transmitter.flush();
          await transmitter.room();
          await new Promise((resolve) => setImmediate(resolve));
        }
        const flat = copies.flat();
        await until(() => got.length >= flat.length);
        expect(got.map(({ datagram }) => datagram.length)).toEqual(flat.map(({ length }) => length));
        expect(got.every(({ datagram }, n) => datagram.equals(flat[n] as Buffer))).toBe(true);
        expect(new Set(got.map((one) => one.port)).size).toBeLessThanOrEqual(1);
        sent += flat.length;
        octets += flat.reduce((sum, { length }) => sum + length, 0);
        expect(transmitter.counters).toEqual({
          sent,
          sentOctets: octets,
          failed: 0,
          refused: 0,
          tooLong: 0,
          lastError: null,
        });
      });
      await fc.assert(property, {
        numRuns: 6,
        examples: [
          [
            [
              [0, 1, 65_507],
              [9000, 65_507, 0, 1],
            ],
          ],
        ],
      });
      await transmitter.close();
      expect(transmitter.reserve()).toBeNull();
    });
  }

  each("one that is too long for any packet fails by itself, and its neighbours go", async () => {
    const { port, got } = await receiver("127.0.0.1");
    const transmitter = new QueuedTransmitter(await openUdpSocket(target("127.0.0.1", port), await load()), CAPACITY);
    const lengths = [10, 65_508, 20, 30, 65_535, 65_508, 40];
    for (const [n, length] of lengths.entries()) send(transmitter, numbered(n, length));
    transmitter.flush();
    await until(() => got.length >= 4);
    expect(got.map(({ datagram }) => datagram.length)).toEqual([10, 20, 30, 40]);
    await transmitter.close();
    expect(transmitter.counters).toEqual({
      sent: 4,
      sentOctets: 100,
      failed: 3,
      refused: 0,
      tooLong: 0,
      lastError: "EMSGSIZE",
    });
  });

  each("that nobody listens there is told, and every copy is counted", async () => {
    const nobody = createSocket("udp4");
    nobody.bind(0, "127.0.0.1");
    await once(nobody, "listening");
    const { port } = nobody.address();
    await new Promise<void>((resolve) => nobody.close(resolve));
    const transmitter = new QueuedTransmitter(await openUdpSocket(target("127.0.0.1", port), await load()), CAPACITY);
    for (let n = 0; n < 3; n++) {
      send(transmitter, numbered(n, 100));
      transmitter.flush();
      await until(() => transmitter.counters.refused === n + 1);
    }
    expect(transmitter.counters).toMatchObject({ sent: 3, failed: 0, refused: 3 });
    // The answer to one may come while the next is sent.
    for (let n = 0; n < 10; n++) send(transmitter, numbered(n, 100));
    transmitter.flush();
    await until(() => transmitter.counters.failed + transmitter.counters.refused > 3);
    const { sent, failed, refused } = transmitter.counters;
    expect(sent + failed).toBe(13);
    expect(failed + refused).toBeGreaterThan(3);
    await transmitter.close();
  });

  each("no way to the collector is one clear line", async () => {
    // Sockets that did not ask for it have no way to everybody.
    const nowhere = { address: "255.255.255.255", family: 4 as const, port: 4754 };
    await expect(openUdpSocket(nowhere, await load())).rejects.toMatchObject({
      name: "OperationalError",
      code: "no-route",
      message: expect.stringMatching(/^no way to the collector at 255\.255\.255\.255 \(connect EACCES[^\n]*\); check/),
    });
  });
});

test.skipIf(needs("Linux", "koffi"))(
  "a copy longer than the path is refused, unless it may go in fragments",
  async () => {
    const { port, got } = await receiver("::1");
    for (const [fragment, counts] of [
      [false, { sent: 0, failed: 1, lastError: "EMSGSIZE" }],
      [true, { sent: 1, failed: 0, lastError: null }],
    ] as const) {
      const socket = await openUdpSocket(target("::1", port), await loadLibc(), null, fragment);
      const transmitter = new QueuedTransmitter(socket, CAPACITY);
      send(transmitter, Buffer.alloc(65_507));
      transmitter.flush();
      expect(transmitter.counters).toMatchObject(counts);
      await transmitter.close();
    }
    await until(() => got.length > 0);
    expect(got).toHaveLength(1);
  },
);

describe("a kernel that does not take a batch", () => {
  const reason = needs("Linux", "koffi");

  /** A libc whose next sends have these outcomes: the name of an error, or the number of copies that go. */
  async function stubborn(outcomes: (string | number)[], asked: number[] = []): Promise<Libc> {
    const libc = await loadLibc();
    let error: string | null = null;
    return {
      ...libc,
      sendmmsg(fd, address, count, flags) {
        asked.push(count);
        const outcome = outcomes.shift();
        error = typeof outcome === "string" ? outcome : null;
        if (error !== null) return FAILED;
        return libc.sendmmsg(fd, address, typeof outcome === "number" ? Math.min(outcome, count) : count, flags);
      },
      errorName: () => error ?? libc.errorName(),
    };
  }

  async function opened(outcomes: (string | number)[], asked: number[] = []) {
    const { port, got } = await receiver("127.0.0.1");
    const socket = await openUdpSocket(target("127.0.0.1", port), await stubborn(outcomes, asked));
    return { got, transmitter: new QueuedTransmitter(socket, CAPACITY) };
  }
  /** Copies of ever more octets: none is joined with the one before it. */
  const growing = (n: number): Buffer => Buffer.alloc(n + 1, `${n % 10}`);
  const texts = (got: readonly { datagram: Buffer }[]) => got.map(({ datagram }) => datagram.toString());

  test.skipIf(reason).each(["EMSGSIZE", "EIO"])(
    titled("does not join copies (%s): they go alone, and together again when the path takes more", reason),
    async (error) => {
      const messages: number[] = [];
      const { got, transmitter } = await opened([error], messages);
      const sendTwo = () => {
        for (const text of ["one", "two"]) send(transmitter, Buffer.from(text));
        transmitter.flush();
      };
      sendTwo();
      sendTwo();
      transmitter.widen(CAPACITY);
      sendTwo();
      expect(messages).toEqual([1, 2, 2, 1]);
      await until(() => got.length === 6);
      expect(texts(got)).toEqual(["one", "two", "one", "two", "one", "two"]);
      await transmitter.close();
    },
  );

  test.skipIf(reason)(
    titled("has no room: copies wait, in order, and those of later vectors behind them", reason),
    async () => {
      const { got, transmitter } = await opened([2, "EAGAIN", "EAGAIN", "EINTR", 1, "EAGAIN"]);
      for (let n = 0; n < 5; n++) send(transmitter, growing(n));
      transmitter.flush();
      expect(transmitter.counters.sent).toBe(2);
      for (let n = 5; n < 8; n++) send(transmitter, growing(n));
      transmitter.flush();
      await until(() => got.length >= 8);
      expect(texts(got)).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((n) => `${growing(n)}`));
      await transmitter.close();
      expect(transmitter.counters).toMatchObject({ sent: 8, sentOctets: 36, failed: 0, lastError: null });
    },
  );

  test.skipIf(reason)(titled("refuses one: that one failed, the rest go", reason), async () => {
    const { got, transmitter } = await opened([1, "ENOBUFS", "EPERM", 1]);
    for (let n = 0; n < 5; n++) send(transmitter, growing(n));
    transmitter.flush();
    await until(() => got.length >= 3);
    expect(texts(got)).toEqual([0, 3, 4].map((n) => `${growing(n)}`));
    await transmitter.close();
    const counts = { sent: 3, failed: 2, refused: 0, tooLong: 0, lastError: "EPERM" };
    expect(transmitter.counters).toMatchObject(counts);
  });

  test.skipIf(reason)(
    titled("says in the midst of it that nobody took one before: it is told, and all go", reason),
    async () => {
      const { got, transmitter } = await opened([1, "ECONNREFUSED", 1]);
      for (let n = 0; n < 3; n++) send(transmitter, growing(n));
      transmitter.flush();
      await until(() => got.length >= 3);
      expect(texts(got)).toEqual([0, 1, 2].map((n) => `${growing(n)}`));
      expect(transmitter.counters).toMatchObject({ sent: 3, failed: 0, refused: 1, lastError: null });
      await transmitter.close();
    },
  );

  test.skipIf(reason)(
    titled("never has room again: the queue fills up, and what is left at the end failed", reason),
    async () => {
      const { got, transmitter } = await opened([3, ...Array<string>(100_000).fill("EAGAIN")]);
      let dropped = 0;
      for (let n = 0; n < 5000; n++) {
        if (transmitter.reserve() === null) dropped++;
        else send(transmitter, growing(n % 100));
        if (n % 50 === 49) transmitter.flush();
      }
      // There are 4,096 pieces, and at the end the longest copy would need 32 in a row.
      expect([transmitter.counters.sent, dropped]).toEqual([3, 5000 - 4065]);
      let room = false;
      void transmitter.room().then(() => {
        room = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(room).toBe(false);
      await transmitter.close();
      expect(transmitter.counters).toMatchObject({ sent: 3, failed: 4065 - 3, lastError: "closed" });
      expect(texts(got)).toEqual([0, 1, 2].map((n) => `${growing(n)}`));
    },
  );

  test.skipIf(reason)(
    titled("refuses copies that go together: they failed together, the rest go", reason),
    async () => {
      const { got, transmitter } = await opened(["ENOBUFS"]);
      for (const text of ["aa", "bb", "c", "dd", "ee"]) send(transmitter, Buffer.from(text));
      transmitter.flush();
      await until(() => got.length >= 2);
      expect(texts(got)).toEqual(["dd", "ee"]);
      await transmitter.close();
      expect(transmitter.counters).toMatchObject({ sent: 2, failed: 3, lastError: "ENOBUFS" });
    },
  );

  test.skipIf(reason).each(["EIO", "EINVAL", "EMSGSIZE", "EOPNOTSUPP", "ENOPROTOOPT"])(
    titled("cannot take copies together, and says %s: they go one by one", reason),
    async (error) => {
      const { got, transmitter } = await opened([error, 1, 1, 1]);
      for (const text of ["aa", "bb", "cc"]) send(transmitter, Buffer.from(text));
      transmitter.flush();
      expect(transmitter.counters.sent).toBe(3);
      for (const text of ["dd", "ee", "f"]) send(transmitter, Buffer.from(text));
      transmitter.flush();
      await until(() => got.length >= 6);
      expect(texts(got)).toEqual(["aa", "bb", "cc", "dd", "ee", "f"]);
      await transmitter.close();
      expect(transmitter.counters).toMatchObject({ sent: 6, failed: 0, lastError: null });
    },
  );

  test.skipIf(reason)(titled("a ring of copies that goes round many times keeps their order", reason), async () => {
    // Never quite empty, so that it goes on and does not begin anew.
    const outcomes = Array.from({ length: 4000 }, (_, n) => (n % 2 === 0 ? 7 : "EAGAIN"));
    const { port, got } = await receiver("127.0.0.1");
    const socket = await openUdpSocket(target("127.0.0.1", port), await stubborn(outcomes));
    const transmitter = new QueuedTransmitter(socket, 16);
    let n = 0;
    for (let fill = 0; fill < 20; fill++) send(transmitter, Buffer.from(`${n++}`));
    while (n < 6000) {
      transmitter.flush();
      for (let more = 0; more < 7; more++) send(transmitter, Buffer.from(`${n++}`));
      if (n % 100 < 7) await until(() => got.length > n - 100);
    }
    outcomes.length = 0;
    transmitter.flush();
    await until(() => got.length >= n);
    expect(texts(got)).toEqual(Array.from({ length: n }, (_, k) => `${k}`));
    await transmitter.close();
    expect(transmitter.counters).toMatchObject({ sent: n, failed: 0 });
  });
});
