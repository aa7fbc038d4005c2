import { expect, it } from "vitest";
import { SEED as PROPERTY_SEED } from "../property/runs.ts";
import { Fuzz } from "./fuzz.ts";

/** REJOIN_FUZZ_PACKETS makes it longer, REJOIN_FUZZ_SEED another one; a failure prints seed and round. */
const PACKETS = Number(process.env.REJOIN_FUZZ_PACKETS ?? 300_000);
const SEED = Number(process.env.REJOIN_FUZZ_SEED ?? PROPERTY_SEED);

it(`${PACKETS} mutated packets: no exception, nothing left, all accounted for`, { timeout: 300_000 }, () => {
  expect(new Fuzz(SEED).run(PACKETS).packets).toBeGreaterThanOrEqual(PACKETS);
});
