import { expect, it } from "vitest";
import { Fuzz } from "./fuzz.ts";

/** REJOIN_FUZZ_PACKETS makes it longer, REJOIN_FUZZ_SEED repeats it; a failure prints seed and round. */
const PACKETS = Number(process.env.REJOIN_FUZZ_PACKETS ?? 300_000);
const SEED = Number(process.env.REJOIN_FUZZ_SEED ?? Date.now() % 2 ** 31);

it(`${PACKETS} mutated packets: no exception, nothing left, all accounted for`, { timeout: 300_000 }, () => {
  expect(new Fuzz(SEED).run(PACKETS).packets).toBeGreaterThanOrEqual(PACKETS);
});
