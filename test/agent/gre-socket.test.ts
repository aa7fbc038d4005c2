import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { openGreSocket } from "../../collectors/agent/gre-socket.ts";
import { QueuedTransmitter } from "../../collectors/agent/transmitter.ts";
import { needs, titled } from "../support/requirements.ts";

const reason = needs("Linux", "root", "raw-socket");

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

it.skipIf(reason)(
  titled("a raw socket under way outlives garbage collections, and its copies all go", reason),
  async () => {
    const target = { address: "127.0.0.1", family: 4, port: null } as const;
    const transmitter = new QueuedTransmitter(openGreSocket(target), 100);
    for (let round = 0; round < 20; round++) {
      for (let n = 0; n < 50; n++) {
        transmitter.reserve()?.fill(0);
        transmitter.send(8);
      }
      collectGarbage();
      await setTimeout(1);
    }
    await transmitter.close();
    expect(transmitter.counters).toEqual({
      sent: 1000,
      sentOctets: 8000,
      failed: 0,
      refused: 0,
      tooLong: 0,
      lastError: null,
    });
  },
);

it.skipIf(reason)(
  titled("a copy longer than any IP packet is refused by the kernel, and counted", reason),
  async () => {
    const transmitter = new QueuedTransmitter(openGreSocket({ address: "127.0.0.1", family: 4, port: null }), 65_535);
    transmitter.reserve();
    transmitter.send(65_535);
    transmitter.reserve();
    transmitter.send(100);
    await transmitter.close();
    expect(transmitter.counters).toMatchObject({ sent: 1, failed: 1, lastError: expect.stringMatching(/\w/) });
  },
);
