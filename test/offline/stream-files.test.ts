import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StreamFiles } from "../../collectors/offline/stream-files.ts";
import { folder, put } from "./files.ts";

describe("stream files", () => {
  it("hold every octet at its offset, in whatever order and pieces they came", () => {
    const piece = fc.record({
      id: fc.nat(400),
      side: fc.constantFrom(0 as const, 1 as const),
      slot: fc.nat(9),
      long: fc.boolean(),
    });
    const property = fc.property(
      fc.uniqueArray(piece, { maxLength: 700, selector: (p) => `${p.id} ${p.side} ${p.slot}` }),
      (pieces) => {
        const dir = join(folder(), "made");
        const files = new StreamFiles(dir);
        const expected = new Map<string, Buffer>();
        for (const { id, side, slot, long } of pieces) {
          const length = long && slot === 9 ? 150_000 : 500;
          const offset = slot * 500;
          const block = new Uint8Array(length + 7).fill(1 + ((id + slot) % 250));
          files.octets(`s${id}`, side, offset, block, 7, length);
          // The block is valid during the call only.
          block.fill(0);
          const name = `s${id}.${side === 0 ? "initiator" : "responder"}`;
          const before = expected.get(name) ?? Buffer.alloc(0);
          const after = Buffer.alloc(Math.max(before.length, offset + length));
          before.copy(after);
          after.fill(1 + ((id + slot) % 250), offset, offset + length);
          expected.set(name, after);
        }
        files.close();
        expect(readdirSync(dir).sort()).toEqual([...expected.keys()].sort());
        for (const [name, octets] of expected) expect(readFileSync(join(dir, name)).equals(octets)).toBe(true);
      },
    );
    fc.assert(property, { numRuns: 15 });
  });

  it("are opened again where more are written at a time than may be open", () => {
    const dir = folder();
    const files = new StreamFiles(dir);
    for (const [round, text] of ["first ", "second"].entries()) {
      for (let id = 0; id < 600; id++) files.octets(`s${id}`, 1, round * 6, Buffer.from(text), 0, 6);
    }
    files.close();
    const texts = readdirSync(dir).map((name) => readFileSync(join(dir, name), "utf8"));
    expect([texts.length, new Set(texts)]).toEqual([600, new Set(["first second"])]);
  });

  it("replace what an earlier run left, and only that", () => {
    const dir = folder();
    put(dir, "a.initiator", "much longer than what comes now");
    put(dir, "b.initiator", "another session's");
    const files = new StreamFiles(dir);
    files.octets("a", 0, 0, Buffer.from("new"), 0, 3);
    files.end("a");
    files.end("never-seen");
    files.close();
    expect(readFileSync(join(dir, "a.initiator"), "utf8")).toBe("new");
    expect(readFileSync(join(dir, "b.initiator"), "utf8")).toBe("another session's");
  });

  it("are for their owner and group, as the collector's are; one that was there stays as it was", () => {
    const dir = folder();
    put(dir, "a.responder", "", 0o600);
    const before = process.umask(0);
    const files = new StreamFiles(dir);
    for (const side of [0, 1] as const) files.octets("a", side, 0, Buffer.from("x"), 0, 1);
    files.close();
    process.umask(before);
    const modes = ["a.initiator", "a.responder"].map((name) => statSync(join(dir, name)).mode & 0o777);
    expect(modes).toEqual([0o640, 0o600]);
  });

  it("say where they cannot be written, at once for a folder", () => {
    const file = put(folder(), "file", "");
    expect(() => new StreamFiles(join(file, "under"))).toThrow(
      /streams cannot be written here .* name another --streams folder/,
    );
  });

  it("say it at the end when a write fails, with how much was lost", () => {
    const dir = folder();
    const files = new StreamFiles(dir);
    // A folder in the place of a file cannot be opened for writing, not even by root.
    writeFileSync(join(dir, "ok"), "");
    const taken = new StreamFiles(join(dir, "a.initiator"));
    taken.close();
    files.octets("a", 0, 0, Buffer.from("lost"), 0, 4);
    files.octets("b", 0, 0, Buffer.from("lost too"), 0, 8);
    expect(() => files.close()).toThrow(/a\.initiator: .*EISDIR.*; 12 octets were not written$/);
  });
});
