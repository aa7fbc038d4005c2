import { defineConfig } from "vitest/config";
import { BIN } from "./test/support/tools/cache.ts";

/** Tests that start programs, brokers and networks: one file at a time, after the others. */
const SYSTEM_TESTS = ["test/{e2e,lab}/**/*.test.ts"];
/** Minutes long: `npm run test:kubernetes`, `npm run test:image`. */
const ELSEWHERE = ["test/{kubernetes,container}/**"];

export default defineConfig({
  test: {
    pool: "forks",
    // Generous: a loaded machine must not turn a test red.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Programs that were built for tests, where the machine has none of its own.
    env: { PATH: `${process.env.PATH}:${BIN}` },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...SYSTEM_TESTS, ...ELSEWHERE],
          globalSetup: "test/property/seed.ts",
          setupFiles: "test/property/same-seed.ts",
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: SYSTEM_TESTS,
          maxWorkers: 1,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
