import { defineConfig } from "rolldown";

/**
 * The command line as it is installed: one file and one more for each verb, out of the sources. A constant of another
 * module costs a load and two checks at each use; inside one file, where it is a number, it costs nothing. That and fewer
 * files to open make `rejoin read` faster by a tenth. What the bench runs of the library is bundled in the same way.
 */
const bundle = (input, dir) => ({
  input,
  platform: "node",
  // What npm installs stays where it is.
  external: /^[^./]/,
  optimization: { inlineConst: { mode: "all", pass: 3 } },
  output: { dir, cleanDir: true, entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" },
});

export default defineConfig([
  bundle({ rejoin: "collectors/main.ts" }, "dist/bin"),
  bundle(
    { feed: "test/bench/programs/feed.ts", "put-together": "test/bench/programs/put-together.ts" },
    "dist/test/bench/bundle",
  ),
]);
