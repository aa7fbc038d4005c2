import { defineConfig } from "vitest/config";
import { BIN } from "./test/support/tools/cache.ts";

/** Tests that start programs and brokers: after the others. */
const SYSTEM_TESTS = ["test/e2e/**/*.test.ts"];
/** Tests of packets on networks of their own, which a busy machine loses: one file at a time, after all others. */
const NETWORK_TESTS = [
  "test/e2e/{ledger,live-matrix,mirror,spine,tunnel}.test.ts",
  "test/e2e/edge/*.test.ts",
  "test/lab/*.test.ts",
];
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
          exclude: [...SYSTEM_TESTS, ...NETWORK_TESTS, ...ELSEWHERE],
          globalSetup: "test/property/seed.ts",
          setupFiles: "test/property/same-seed.ts",
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "system",
          include: SYSTEM_TESTS,
          exclude: NETWORK_TESTS,
          maxWorkers: 2,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "network",
          include: NETWORK_TESTS,
          maxWorkers: 1,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
