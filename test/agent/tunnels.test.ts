import { expect, it } from "vitest";
import { AGENT_DEFAULTS } from "../../collectors/agent/agent-contract.ts";
import { QueuedTransmitter } from "../../collectors/agent/transmitter.ts";
import { Tunnel, tunnelName } from "../../collectors/agent/tunnel.ts";
import { Tunnels } from "../../collectors/agent/tunnels.ts";
import type { Destination } from "../../schema/configuration/destination.ts";
import { CopyEncoder } from "../../src/encapsulate/copy-encoder.ts";
import { HeldSocket } from "./held-socket.ts";

const OWN = { startedMicros: 1, seen: 9, selected: 9, kernelLost: 0 };
const destination = (host: string): Destination => ({ host, port: 4754 });

it("counts a way that is given up until its copies have gone, and then what became of them", async () => {
  const sockets: HeldSocket[] = [];
  const open = async (to: Destination): Promise<Tunnel> => {
    const socket = new HeldSocket();
    sockets.push(socket);
    const target = { address: to.host, family: 4, port: to.port } as const;
    const encoder = new CopyEncoder({ key: null, room: 1500 });
    return new Tunnel(tunnelName(to), target, encoder, new QueuedTransmitter(socket, 1600), AGENT_DEFAULTS);
  };
  const tunnels = await Tunnels.open([destination("192.0.2.1"), destination("192.0.2.2")], open);
  tunnels.farewell = (tunnel) => tunnel.report(OWN, true);
  for (const tunnel of tunnels.all) tunnel.report(OWN, false);
  for (const { under } of sockets) under[0]?.done(null);
  expect(tunnels.counters()).toMatchObject({ sent: 2, reports: 2 });

  const changed = tunnels.change([destination("192.0.2.3")], open);
  await expect.poll(() => sockets.length).toBe(3);
  await expect.poll(() => tunnels.all.length).toBe(1);
  // Three last reports to each are under way.
  expect(tunnels.counters()).toMatchObject({ sent: 2, reports: 8, failed: 0 });
  for (const socket of sockets) for (const { done } of socket.under.slice(1)) done(null);
  await changed;
  expect(tunnels.counters()).toMatchObject({ sent: 8, reports: 8, failed: 0 });
});
