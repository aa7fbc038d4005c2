import { createSocket, type Socket } from "node:dgram";
import { fileURLToPath } from "node:url";
import type { Collector } from "../../collectors/central/collector-contract.ts";
import { openCaptures, readCaptures } from "../../collectors/offline/captures.ts";
import { Agents } from "../../src/decapsulate/agents.ts";
import { Decapsulation } from "../../src/decapsulate/decapsulate.ts";
import { CopyEncoder } from "../../src/encapsulate/copy-encoder.ts";

/** A GRE packet, and which of the files it was copied from. */
export interface Copy {
  readonly file: number;
  readonly octets: Uint8Array;
}

/** More than any packet of the captures has. */
const ROOM = 65_000;
/** Copies under way at a time: few enough for the smallest receive buffer. */
const WINDOW = 32;

/** Path of a file under test/captures. */
export const capturePath = (name: string): string => fileURLToPath(new URL(`../captures/${name}`, import.meta.url));

/** What two agents would send that saw these files: each packet as a GRE packet with key 1, 2, ..., merged by time. */
export async function copiesOf(paths: readonly string[]): Promise<Copy[]> {
  const { inputs } = await openCaptures(paths, process.stdin);
  for (const [i, { input }] of inputs.entries()) input.number(i);
  const decapsulation = new Decapsulation(new Agents([]), null);
  const encoders = inputs.map((_, i) => new CopyEncoder({ key: i + 1, room: ROOM }));
  const target = new Uint8Array(ROOM + 64);
  const copies: Copy[] = [];
  await readCaptures(
    inputs.map(({ input }) => input),
    (vector) => {
      decapsulation.process(vector);
      for (let i = 0; i < vector.length; i++) {
        const file = vector.source[i] ?? 0;
        const length = vector.fate[i] === 0 ? (encoders[file]?.encode(vector, i, target) ?? 0) : 0;
        if (length > 0) copies.push({ file, octets: target.slice(0, length) });
      }
    },
    async () => true,
  );
  for (const { input } of inputs) input.close();
  return copies;
}

/**
 * Sends copies as GRE-in-UDP, no faster than `received` (packets that have arrived so far) tells that they arrive, so
 * that no buffer ever overflows.
 */
export async function sendOverUdp(
  copies: readonly Copy[],
  address: string,
  port: number,
  received: () => number,
): Promise<void> {
  const socket: Socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  const before = received();
  for (const [n, { octets }] of copies.entries()) {
    await new Promise((resolve) => socket.send(octets, port, address, resolve));
    const sent = n + 1;
    if (sent % WINDOW !== 0 && sent < copies.length) continue;
    while (received() - before < sent) await new Promise((resolve) => setImmediate(resolve));
  }
  socket.close();
}

/** The same to a collector's UDP socket, of several the `nth`. */
export function sendTo(
  collector: Pick<Collector, "report" | "udpPorts">,
  copies: readonly Copy[],
  address = "127.0.0.1",
  nth = 0,
): Promise<void> {
  const received = () => collector.report().sources.reduce((sum, { packets }) => sum + packets, 0);
  return sendOverUdp(copies, address, collector.udpPorts[nth] ?? 0, received);
}
