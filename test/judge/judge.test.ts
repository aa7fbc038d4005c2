import { readdirSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { CASES } from "../hostile/cases.ts";
import { capturePath } from "../support/copies.ts";
import { packetsOf } from "../support/pcap.ts";
import type { RunPacket } from "../support/pipeline-run.ts";
import { needs, titled } from "../support/requirements.ts";
import { type Comparison, compared, type Disagreement } from "./compare.ts";
import { KNOWN } from "./known.ts";
import { page } from "./page.ts";
import { SIMULATED } from "./simulated.ts";
import { tsharkVersion } from "./tshark.ts";

const VERSION = "4.0";

const recorded = readdirSync(capturePath("")).filter((name) => !name.includes("."));

/** Both routers' packets of a scenario, merged by time. */
const ofRouters = (scenario: string): RunPacket[] =>
  ["router1", "router2"]
    .flatMap((router, n) => packetsOf(capturePath(`${scenario}/${router}.pcap.gz`), n))
    .sort((a, b) => a.atMicros - b.atMicros);

const ROWS: readonly [capture: string, packets: () => readonly RunPacket[]][] = [
  ...recorded.map((scenario): [string, () => RunPacket[]] => [scenario, () => ofRouters(scenario)]),
  ...SIMULATED,
  // Of two agents' copies tshark would take each second one for a retransmission.
  ...CASES.map(({ name, agents }): [string, () => readonly RunPacket[]] => [name, () => agents()[0] ?? []]),
];

const isKnown = (capture: string, disagreement: Disagreement): boolean =>
  KNOWN.some(
    ({ about, captures, is }) => about === disagreement.about && captures.includes(capture) && is(disagreement),
  );

const version = tsharkVersion();
const reason =
  needs("tshark") ?? (version === VERSION ? undefined : `written for tshark ${VERSION}, here is ${version}`);

describe.skipIf(reason)(titled("tshark, an independent judge", reason), () => {
  const comparisons = new Map<string, Comparison>();

  it.each(ROWS)(
    "%s: grouping, tokens, addresses, options and places of payload",
    { timeout: 120_000 },
    (name, packets) => {
      const comparison = compared(packets());
      comparisons.set(name, comparison);
      expect(comparison.disagreements.filter((one) => !isKnown(name, one))).toEqual([]);
    },
  );

  it("docs/judged-by-tshark.md says so", async () => {
    expect(comparisons.size).toBe(ROWS.length);
    await expect(page(comparisons, version)).toMatchFileSnapshot("../../docs/judged-by-tshark.md");
  });

  it("knows no disagreement that is none any more", () => {
    const gone = KNOWN.filter(({ about, captures, is }) =>
      captures.some(
        (capture) => !comparisons.get(capture)?.disagreements.some((one) => one.about === about && is(one)),
      ),
    );
    expect(gone.map(({ about, captures }) => `${about}: ${captures}`)).toEqual([]);
  });

  afterAll(() => comparisons.clear());
});
