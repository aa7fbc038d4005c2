import { expect, test } from "vitest";
import { roomOf } from "./rooms.ts";

test.each([
  ["src/session/steady-path.ts", "takeSteady", "`src/session`"],
  ["src/pipeline.ts", "process", "`src/*.ts`"],
  ["collectors/offline/captures.ts", "decode", "`collectors/offline`"],
  ["collectors/main.ts", "main", "`collectors/*.ts`"],
  ["schema/encoding.ts", "encode", "`schema`"],
  ["src/octets/kernel.wat", "wasm-function[0]", "`src/octets`"],
  ["test/bench/live/window.ts", "write", "the bench's own, and what it generates"],
  ["node_modules/kafkajs/src/index.js", "send", "packages of npm"],
  ["node:fs", "readSync", "Node"],
  [null, "set", "Node"],
  [null, "read", "reading: the kernel copies"],
  [null, "(program)", "Node starting, and other native code"],
  [null, "(garbage collector)", "garbage collector, on the main thread"],
])("%s: %s belongs to %s", (source, name, room) => {
  expect(roomOf(source, name)).toBe(room);
});
