import { defineConfig } from "vitest/config";

/** `npm run test:image`: builds an image twice, and so is no part of `npm test`. */
export default defineConfig({
  test: {
    name: "image",
    include: ["test/container/**/*.test.ts", "test/image.test.ts"],
    pool: "forks",
    reporters: ["verbose"],
    testTimeout: 600_000,
    hookTimeout: 900_000,
  },
});
