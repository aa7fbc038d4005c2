import fc from "fast-check";
import { SEED } from "./runs.ts";

// Before the tests of each file: every property of fast-check begins with the one seed.
fc.configureGlobal({ seed: SEED });
