import { defineConfig } from "vitest/config";
import { BIN } from "../support/tools/cache.ts";

/** `npm run test:kubernetes`: minutes long, and so no part of `npm test`. */
export default defineConfig({
  test: {
    name: "kubernetes",
    include: ["test/kubernetes/**/*.test.ts"],
    pool: "forks",
    reporters: ["verbose"],
    bail: 1,
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // The versions that were asked for, before those that a machine may have.
    env: { PATH: `${BIN}:${process.env.PATH}` },
  },
});
