import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { PacketVector } from "../../src/vector.ts";
import { LINKTYPE_RAW } from "../../src/wire/link-type.ts";
import { pcapFile } from "../support/pcap.ts";
import { GOOD_AGENT, USUAL_PATH, USUAL_PLAN } from "../support/simulator/plan.ts";
import { simulate } from "../support/simulator/simulation.ts";
import { watch } from "../support/simulator/watch.ts";
import { observe } from "./observed.ts";

/** Hands vectors on whose octets are in a block of their own, as from a socket. */
function elsewhere(): (vector: PacketVector, take: (vector: PacketVector) => void) => void {
  const other = new PacketVector();
  return ({ block, length, at, captured, wire, atMicros, linkType, source }, take) => {
    const from = at[0] ?? 0;
    const last = length - 1;
    other.use(block.slice(from, (at[last] ?? 0) + (captured[last] ?? 0)));
    for (let i = 0; i < length; i++) {
      const place = (at[i] ?? 0) - from;
      other.add(place, captured[i] ?? 0, wire[i] ?? 0, atMicros[i] ?? 0, linkType[i] ?? 0, source[i] ?? 0);
    }
    take(other);
  };
}

/** A capture of sessions whose octets come again on other subflows, now and then not the same. */
function capture(snap: number): string {
  const tampered = { ...USUAL_PATH, delayMillis: 25, loss: 0.02, tampered: 0.01 };
  const plan = { ...USUAL_PLAN, octets: [900_000, 700_000], paths: [USUAL_PATH, tampered], reinjected: 0.3 } as const;
  const simulation = simulate(
    [0, 300, 600].map((beginMillis) => ({ plan, beginMillis })),
    7,
  );
  const { copies } = watch(simulation, [{ ...GOOD_AGENT, snap }], 7);
  const folder = mkdtempSync(join(tmpdir(), "rejoin-memory-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(
    join(folder, "one.pcap"),
    pcapFile(copies, { linkType: LINKTYPE_RAW, nanoseconds: false, littleEndian: true }),
  );
  return join(folder, "one.pcap");
}

test.each([
  ["whole packets", 262_144],
  ["packets of which hardly half is payload", 200],
])("a file read into the pipeline's memory tells what it tells else: %s", async (_, snap) => {
  const path = [capture(snap)];
  // Without digests octets stay in the ring, and go round it.
  for (const options of [
    { digest: false, bounds: { rememberedOctets: 600_000 } },
    { digest: false, bounds: { rememberedOctets: 10_000_000 } },
    { digest: true },
  ]) {
    const own = await observe(path, options);
    const copied = await observe(path, options, elsewhere());
    const repeated = own.records.map(({ mptcp }) => mptcp.stream.initiator.repeated_octets);
    expect(Math.max(...repeated)).toBeGreaterThan(10_000);
    expect(own.totals.octets.conflicting).toBeGreaterThan(0);
    expect(own.records).toEqual(copied.records);
    expect(own.totals).toEqual(copied.totals);
  }
});
