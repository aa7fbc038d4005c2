import { defineConfig } from "vitest/config";

/** Tests that start programs, brokers and networks: one file at a time, after the others. */
const SYSTEM_TESTS = ["test/{e2e,lab}/**/*.test.ts"];

export default defineConfig({
  test: {
    pool: "forks",
    // Generous: a loaded machine must not turn a test red.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: SYSTEM_TESTS,
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
