import { randomInt } from "node:crypto";
import { USUAL_SEED } from "./runs.ts";

/** Before all tests: draws the seed where REJOIN_PROPERTY_SEED is `random`, and says which one it is. */
export default function seed(): void {
  const asked = process.env.REJOIN_PROPERTY_SEED ?? String(USUAL_SEED);
  const chosen = asked === "random" ? String(randomInt(2 ** 31)) : asked;
  process.env.REJOIN_PROPERTY_SEED = chosen;
  process.stdout.write(`Properties: REJOIN_PROPERTY_SEED=${chosen}\n`);
}
