import { describe, expect, it } from "vitest";
import { ENCAPSULATED, encapsulatedPath, framesOf } from "../support/encapsulated.ts";
import { needs, titled } from "../support/requirements.ts";
import { byRejoin, byTshark } from "./innermost.ts";

const reason = needs("tshark");

/** What tshark 4.0 does not look into: it takes what stands behind an ERSPAN header for an Ethernet frame or nothing. */
const UNREAD = ENCAPSULATED.indexOf("erspan-3-ip") + 1;

const FILES = [4, 6].flatMap((outer) =>
  [4, 6].flatMap((inner) => ["", "-fragments"].map((pieces) => `outer${outer}-inner${inner}${pieces}.pcap.gz`)),
);

describe.skipIf(reason)(titled("tshark finds the same segments in delivery headers as rejoin", reason), () => {
  it.each(FILES)("%s", async (file) => {
    const frames = await framesOf(file);
    const judged = byTshark(encapsulatedPath(file));
    const found = byRejoin(frames.map(({ frame }) => frame));
    expect(judged).toHaveLength(found.length);
    const isRead = (_: unknown, n: number) => frames[n]?.number !== UNREAD;
    expect(found.filter(isRead)).toEqual(judged.filter(isRead));
    // Whole packets of all encapsulations but one were judged, and none of them was found empty by both.
    const sizes = ENCAPSULATED.map(
      (_, i) => judged.filter((one, n) => one !== null && frames[n]?.number === i + 1).length,
    );
    expect(new Set(sizes.filter((_, i) => i + 1 !== UNREAD)).size).toBe(1);
    expect(sizes[0]).toBeGreaterThan(20);
  });
});
