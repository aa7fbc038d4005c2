import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, it } from "vitest";
import { bundleSources } from "./bundle-sources.ts";
import type { SourceOf } from "./shares.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
let sourceOf: SourceOf;

beforeAll(async () => {
  sourceOf = await bundleSources(ROOT);
});

/** Where a bundle that was built has this text first. */
function placeOf(folder: string, text: string): [string, number, number] {
  for (const file of readdirSync(`${ROOT}${folder}`)) {
    const lines = readFileSync(`${ROOT}${folder}/${file}`, "utf8").split("\n");
    const line = lines.findIndex((one) => one.includes(text));
    if (line >= 0) return [`file://${ROOT}${folder}/${file}`, line, lines[line]?.indexOf(text) ?? 0];
  }
  throw new Error(`${text} is in no bundle of ${folder}`);
}

it.each([
  ["dist/bin", "var PcapDecoder = class", "src/capture-file/pcap-decoder.ts"],
  ["dist/bin", "async function readCaptures(", "collectors/offline/captures.ts"],
  ["dist/bin", "var SessionStage = class", "src/session/session-stage.ts"],
  ["dist/test/bench/bundle", "var SessionStage = class", "src/session/session-stage.ts"],
  ["dist/test/bench/bundle", "var FeedingWindow = class", "test/bench/live/window.ts"],
])("in %s, %s is written in %s", (folder, text, source) => {
  expect(sourceOf(...placeOf(folder, text))).toBe(source);
});

it("knows Node, packages, and files that are in no bundle", () => {
  expect(sourceOf("node:fs", 3, 1)).toBe("node:fs");
  expect(sourceOf("wasm://wasm/c0ffee", 0, 1)).toBe("src/octets/kernel.wat");
  expect(sourceOf(`file://${ROOT}node_modules/kafkajs/index.js`, 1, 1)).toBe("node_modules/kafkajs/index.js");
  expect(sourceOf(`file://${ROOT}dist/test/bench/cpu-account.js`, 1, 1)).toBe("dist/test/bench/cpu-account.js");
  expect(sourceOf("", 0, 0)).toBeNull();
});
