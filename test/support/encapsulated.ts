import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { SessionRecord } from "../../schema/session-record.ts";
import { PacketVector } from "../../src/vector.ts";
import { observe } from "../scenario/observed.ts";

/** Path of a file with packets of recorded sessions in every delivery header, as scapy makes them (make.py there). */
export const encapsulatedPath = (file: string): string =>
  fileURLToPath(new URL(`../decapsulate/encapsulated/${file}`, import.meta.url));

/** The encapsulations in those files by their number, from 1; 0 is none. */
export const ENCAPSULATED = JSON.parse(readFileSync(encapsulatedPath("encapsulations.json"), "utf8")) as string[];

/** Of a frame: the octet of its Ethernet source address that says in which encapsulation it is. */
const NUMBER_AT = 11;

/** The frames of such a file, with the number of their encapsulation. */
export async function framesOf(file: string): Promise<{ number: number; frame: Uint8Array }[]> {
  const frames: { number: number; frame: Uint8Array }[] = [];
  await observe([encapsulatedPath(file)], {}, (vector) => {
    for (let i = 0; i < vector.length; i++) {
      const at = vector.at[i] ?? 0;
      frames.push({
        number: vector.block[at + NUMBER_AT] ?? 0,
        frame: vector.block.slice(at, at + (vector.captured[i] ?? 0)),
      });
    }
  });
  return frames;
}

/** What a pipeline makes of those frames of a file that are in one encapsulation. */
export async function onlyEncapsulated(file: string, number: number): ReturnType<typeof observe> {
  const chosen = new PacketVector();
  return observe([encapsulatedPath(file)], {}, (vector, take) => {
    chosen.use(vector.block);
    const { at, captured, wire, atMicros, linkType, source } = vector;
    for (let i = 0; i < vector.length; i++) {
      if (vector.block[(at[i] ?? 0) + NUMBER_AT] !== number) continue;
      chosen.add(at[i] ?? 0, captured[i] ?? 0, wire[i] ?? 0, atMicros[i] ?? 0, linkType[i] ?? 0, source[i] ?? 0);
    }
    if (chosen.length > 0) take(chosen);
  });
}

/** What of records does not change from a file to a socket: all but times and who copied packets. */
export const essence = (records: readonly SessionRecord[]) =>
  records
    .map(({ source, destination, network, mptcp }) => ({
      ...{ source, destination, network, token: mptcp.token, verdicts: mptcp.verdicts },
      streams: [mptcp.stream.initiator, mptcp.stream.responder].map(({ octets, complete }) => ({ octets, complete })),
      joins: mptcp.subflows.map(({ kind, join }) => ({ kind, hmac: join?.hmac })),
    }))
    .sort((a, b) => a.source.port - b.source.port);
