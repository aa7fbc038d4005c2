import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** One record that a released version wrote: files in both encodings, and what it says. */
export interface Golden {
  readonly name: string;
  readonly msgpack: string;
  readonly json: string;
  readonly record: Record<string, unknown>;
}

const RELEASED = fileURLToPath(new URL("../../../schema/released/", import.meta.url));

/** The golden octets of all released versions. */
export const GOLDEN: readonly Golden[] = readdirSync(RELEASED, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".msgpack"))
  .map((file) => {
    const msgpack = `${RELEASED}${file}`;
    const json = msgpack.replace(/msgpack$/, "json");
    return { name: file.replace(/\.msgpack$/, ""), msgpack, json, record: JSON.parse(readFileSync(json, "utf8")) };
  });
