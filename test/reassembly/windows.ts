import { OctetRing } from "../../src/octets/octet-ring.ts";
import { NewOctets } from "../../src/reassembly/new-octets.ts";
import { OctetMemory } from "../../src/reassembly/octet-memory.ts";
import { StreamWindows } from "../../src/reassembly/stream-windows.ts";

const RING_OCTETS = 65_536;

/** So many windows of `size` octets for `streams` streams. */
export function windowsOf(streams: number, windows: number, size: number) {
  const ring = new OctetRing(RING_OCTETS, windows * size);
  const since = new Uint32Array(windows);
  const newest = { numbers: new Float64Array(streams), placeOf: (stream: number) => stream };
  const memory = new OctetMemory(newest, 4 * size, ring, since);
  return { ring, memory, windows: new StreamWindows(ring, memory, streams, since, RING_OCTETS, size) };
}

/**
 * Gives octets to somebody who takes as many at a time as lie in one window; the block is another one each time, and does
 * not stay. They come at the time that holds where none is said.
 */
export function give(
  to: { take(octets: NewOctets, skip: number, address: number): number },
  ring: OctetRing,
  stream: number,
  offset: number,
  octets: string | Uint8Array,
  atMicros = Number.NaN,
): void {
  const block = Buffer.concat([Buffer.from("???"), Buffer.from(octets)]);
  const one = Object.assign(new NewOctets(), { stream, offset, block, at: 3, length: octets.length, atMicros });
  const address = ring.addressOf(block, 3, octets.length);
  for (let done = 0; done < octets.length; ) done += to.take(one, done, address);
  block.fill(0);
}
