import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect, test } from "vitest";
import { FAILED, type Libc, loadLibc } from "../../collectors/linux/libc.ts";
import { Readiness } from "../../collectors/linux/readiness.ts";
import { AF_INET, boundPort, SOCK_DGRAM, socketAddress } from "../../collectors/linux/socket-address.ts";
import { needs, titled } from "../support/requirements.ts";

const reason = needs("Linux", "koffi");
/** More than Node has threads. */
const SOCKETS = 8;

function bound(libc: Libc): { readonly fd: number; readonly port: number } {
  const fd = libc.socket(AF_INET, SOCK_DGRAM, 0);
  const address = socketAddress(libc, "127.0.0.1", 0) ?? new Uint8Array(0);
  expect(libc.bind(fd, address, address.length)).toBe(0);
  return { fd, port: boundPort(libc, fd) };
}

test.skipIf(reason)(
  titled("one thread waits for all sockets, also for those that come while it waits", reason),
  async () => {
    const libc = await loadLibc();
    let threads = 0;
    let most = 0;
    // So long that only what came for a socket can have ended a wait.
    let patienceMs = 10_000;
    const counting: Libc = {
      ...libc,
      async epollWait(epoll, events) {
        most = Math.max(most, ++threads);
        await libc.epollWait(epoll, events, patienceMs);
        threads--;
      },
    };
    const readiness = Readiness.open(counting);
    const sockets = Array.from({ length: SOCKETS }, () => bound(libc));
    const waits: Promise<void>[] = [];
    for (const { fd } of sockets) {
      waits.push(readiness.readable(fd));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    // Of all of them the last one, which the thread was not told of when it began, is the one that something comes for.
    const sender = createSocket("udp4");
    const beginMs = performance.now();
    sender.send("x", sockets.at(-1)?.port ?? 0, "127.0.0.1");
    await once(sender, "listening");
    await Promise.all(waits);
    const tookMs = performance.now() - beginMs;
    // Nothing is taken off a socket that is only waited for: it is ready at once the next time, and the others are not.
    const againMs = performance.now();
    await readiness.readable(sockets.at(-1)?.fd ?? 0);
    const readyMs = performance.now() - againMs;
    patienceMs = 300;
    const idleMs = performance.now();
    await readiness.readable(sockets[0]?.fd ?? 0);
    expect(performance.now() - idleMs).toBeGreaterThan(250);
    expect(readyMs).toBeLessThan(5000);
    expect(most).toBe(1);
    expect(tookMs).toBeLessThan(5000);
    sender.close();
    for (const { fd } of sockets) libc.close(fd);
  },
);

test.skipIf(reason)(titled("without a descriptor or memory it says so in one line", reason), async () => {
  const libc = await loadLibc();
  const closed: number[] = [];
  const failing = (changes: Partial<Libc>): Libc => ({
    ...libc,
    errorName: () => "EMFILE",
    close(fd) {
      closed.push(fd);
      return libc.close(fd);
    },
    ...changes,
  });
  const line = expect.objectContaining({ name: "OperationalError", message: expect.stringMatching(/EMFILE.*ulimit/) });
  expect(() => Readiness.open(failing({ epollCreate: () => FAILED }))).toThrow(line);
  expect(closed).toEqual([]);
  expect(() => Readiness.open(failing({ map: () => null }))).toThrow(line);
  expect(closed).toHaveLength(1);
});
