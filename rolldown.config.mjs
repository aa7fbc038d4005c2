import { chmodSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "rolldown";

const settings = {
  platform: "node",
  // What npm installs stays where it is.
  external: /^[^./]/,
  optimization: { inlineConst: { mode: "all", pass: 3 } },
};
const into = (dir) => ({ dir, cleanDir: true, entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" });

/** npm makes a program executable when it links it, and never again; a build writes it anew. */
const executable = (name) => ({
  name: "executable",
  writeBundle: ({ dir }) => chmodSync(join(dir, name), 0o755),
});

/**
 * The command line as it is installed: one file, one more for each verb and one for the delivery's thread, out of the
 * sources. A constant of another
 * module costs a load and two checks at each use; inside one file, where it is a number, it costs nothing. That and fewer
 * files to open make `rejoin read` faster by a tenth. The bench's own programs are bundled in the same way.
 */
export default defineConfig([
  {
    ...settings,
    input: { rejoin: "collectors/main.ts", "delivery-thread": "collectors/delivery/delivery-thread.ts" },
    output: into("dist/bin"),
    plugins: [executable("rejoin.js")],
  },
  {
    ...settings,
    input: {
      deliver: "test/bench/programs/deliver.ts",
      "delivery-thread": "collectors/delivery/delivery-thread.ts",
      feed: "test/bench/programs/feed.ts",
      "hand-over": "test/bench/programs/hand-over.ts",
      "put-together": "test/bench/programs/put-together.ts",
      send: "test/bench/programs/send.ts",
    },
    output: into("dist/test/bench/bundle"),
  },
]);
