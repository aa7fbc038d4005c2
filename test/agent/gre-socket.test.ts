import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { openGreSocket } from "../../collectors/agent/gre-socket.ts";
import { QueuedTransmitter } from "../../collectors/agent/transmitter.ts";
import { loadLibc } from "../../collectors/linux/libc.ts";
import { needs, titled } from "../support/requirements.ts";

const LOOPBACK = { address: "127.0.0.1", family: 4, port: null } as const;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

describe.each([
  { way: "in batches", load: loadLibc, reason: needs("Linux", "root", "koffi") },
  { way: "one at a time", load: async () => null, reason: needs("Linux", "root", "raw-socket") },
])("a raw socket that sends $way", ({ load, reason }) => {
  it.skipIf(reason)(titled("outlives garbage collections, and its copies all go", reason), async () => {
    const transmitter = new QueuedTransmitter(openGreSocket(LOOPBACK, await load()), 100);
    for (let round = 0; round < 20; round++) {
      for (let n = 0; n < 50; n++) {
        transmitter.reserve()?.fill(0);
        transmitter.send(8);
      }
      transmitter.flush();
      collectGarbage();
      await setTimeout(1);
    }
    await transmitter.close();
    const { sent, sentOctets, failed, tooLong } = transmitter.counters;
    expect({ sent, sentOctets, failed, tooLong }).toEqual({ sent: 1000, sentOctets: 8000, failed: 0, tooLong: 0 });
  });

  it.skipIf(reason)(
    titled("is refused a copy longer than any IP packet by the kernel, which is counted", reason),
    async () => {
      const transmitter = new QueuedTransmitter(openGreSocket(LOOPBACK, await load()), 65_535);
      transmitter.reserve();
      transmitter.send(65_535);
      transmitter.reserve();
      transmitter.send(100);
      await transmitter.close();
      expect(transmitter.counters).toMatchObject({ sent: 1, failed: 1, lastError: expect.stringMatching(/\w/) });
    },
  );
});
