import { expect, it } from "vitest";
import { AGENT_DEFAULTS } from "../../collectors/agent/agent-contract.ts";
import { QueuedTransmitter } from "../../collectors/agent/transmitter.ts";
import { Tunnel, tunnelName } from "../../collectors/agent/tunnel.ts";
import { Tunnels } from "../../collectors/agent/tunnels.ts";
import type { Destination } from "../../schema/configuration/destination.ts";
import { StreamLedger } from "../../src/decapsulate/stream-ledger.ts";
import { CopyEncoder } from "../../src/encapsulate/copy-encoder.ts";
import { FATE_ALIVE } from "../../src/fate.ts";
import { PacketVector } from "../../src/vector.ts";
import { emptyReport, readAgentReport } from "../../src/wire/agent-report.ts";
import { over } from "../wire/cursor.ts";
import { HeldSocket } from "./held-socket.ts";
import { copyOf } from "./receiver.ts";

const OWN = { seen: 9, selected: 9, kernelLost: 0 };
const destination = (host: string): Destination => ({ host, port: 4754 });

/** Ways to collectors over sockets that the test holds: these, in the order in which they were opened. */
function held() {
  const sockets: HeldSocket[] = [];
  const open = async (to: Destination): Promise<Tunnel> => {
    const socket = new HeldSocket();
    sockets.push(socket);
    const target = { address: to.host, family: 4, port: to.port } as const;
    const encoder = new CopyEncoder({ key: null, room: 1500 });
    return new Tunnel(tunnelName(to), target, encoder, new QueuedTransmitter(socket, 1600), AGENT_DEFAULTS);
  };
  return { sockets, open };
}

it("counts a way that is given up until its copies have gone, and then what became of them", async () => {
  const { sockets, open } = held();
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

it("is heard again by a collector that was taken out of the list and put back", async () => {
  const { sockets, open } = held();
  const [first, second] = [destination("192.0.2.1"), destination("192.0.2.2")];
  const tunnels = await Tunnels.open([first, second], open);
  tunnels.farewell = (tunnel) => tunnel.report(OWN, true);
  const report = (): void => {
    for (const tunnel of tunnels.all) if (tunnel.name.startsWith(first.host)) tunnel.report(OWN, false);
  };
  const collector = new StreamLedger(
    { name: "router1", address: "192.0.2.9", key: null, encapsulation: "gre-in-udp" },
    null,
  );
  const vector = new PacketVector();
  vector.use(new Uint8Array(1));
  /** What this socket was given comes to the collector; what the collector then says of the agent. */
  const heard = (socket: HeldSocket | undefined) => {
    for (const { octets, done } of socket?.under.splice(0) ?? []) {
      const { sequence, packet } = copyOf(Buffer.from(octets));
      const { view, cursor } = over(Uint8Array.from(packet));
      const said = emptyReport();
      expect(readAgentReport(view, cursor, sequence, said)).toBe(FATE_ALIVE);
      vector.clear();
      vector.add(0, 1, 1, 1e15, 101, 0);
      collector.count(sequence, octets.length, vector, 0);
      collector.report(said, 1e15);
      done(null);
    }
    const { reported, lost, unheard, duplicate, restarted } = collector.ledger() ?? {};
    return { number: reported?.number, isLast: reported?.isLast, lost, unheard, duplicate, restarted };
  };
  for (let n = 0; n < 10; n++) report();
  const none = { lost: 0, unheard: 0, duplicate: 0 };
  expect(heard(sockets[0])).toEqual({ number: 9, isLast: false, ...none, restarted: 0 });
  const leaves = tunnels.change([second], open);
  await expect.poll(() => sockets[0]?.under.length).toBe(3);
  expect(heard(sockets[0])).toEqual({ number: 12, isLast: true, ...none, restarted: 0 });
  await leaves;

  await tunnels.change([first, second], open);
  report();
  expect(heard(sockets[2])).toEqual({ number: 0, isLast: false, ...none, restarted: 1 });
  report();
  expect(heard(sockets[2])).toEqual({ number: 1, isLast: false, ...none, restarted: 1 });
});

it("leaves all as it was where what is to be done before it fails, and closes what was opened", async () => {
  const { sockets, open } = held();
  const tunnels = await Tunnels.open([destination("192.0.2.1")], open);
  const { all } = tunnels;
  const names: string[][] = [];
  const change = tunnels.change([destination("192.0.2.1"), destination("192.0.2.2")], open, async (next) => {
    expect(tunnels.all).toBe(all);
    names.push(next.map(({ target }) => target.address));
    throw new Error("no");
  });
  await expect(change).rejects.toThrow("no");
  expect(names).toEqual([["192.0.2.1", "192.0.2.2"]]);
  expect(tunnels.all).toBe(all);
  expect(sockets.map(({ closed }) => closed)).toEqual([false, true]);
});

it("opens no way for good where all are closed while a name is looked up", async () => {
  const { sockets, open } = held();
  const tunnels = await Tunnels.open([destination("192.0.2.1")], open);
  let found = () => {};
  const slow = new Promise<void>((resolve) => (found = resolve));
  const change = tunnels.change([destination("192.0.2.2")], async (to) => {
    await slow;
    return open(to);
  });
  await tunnels.close();
  found();
  await expect(change).rejects.toMatchObject({ code: "ended" });
  expect(sockets.map(({ closed }) => closed)).toEqual([true, true]);
});
