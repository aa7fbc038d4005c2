import { Cursor } from "../../src/wire/cursor.ts";

/** A cursor over all of these octets, which had `wire` of them before they were cut. */
export function over(
  octets: Uint8Array<ArrayBuffer>,
  wire = octets.length,
  protocol = 0,
): { view: DataView; cursor: Cursor } {
  const cursor = new Cursor();
  cursor.end = octets.length;
  cursor.wireEnd = wire;
  cursor.protocol = protocol;
  return { view: new DataView(octets.buffer), cursor };
}
