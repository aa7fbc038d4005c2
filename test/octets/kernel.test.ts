import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import wabt from "wabt";
import { plainKernel, wasmKernel } from "../../src/octets/kernel.ts";

declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
};

describe("kernel.wat", () => {
  // `npm run kernel` writes the file anew; this fails where it is stale.
  it("is in kernel-binary.ts as it is assembled", async () => {
    const text = readFileSync(new URL("../../src/octets/kernel.wat", import.meta.url), "utf8");
    const module = (await wabt()).parseWat("kernel.wat", text, { simd: true, bulk_memory: true });
    const octets = Buffer.from(module.toBinary({}).buffer).toString("base64");
    const doc = "/** src/octets/kernel.wat assembled, in base64; `npm run kernel` writes it. */";
    await expect(`${doc}\nexport const KERNEL =\n  "${octets}";\n`).toMatchFileSnapshot(
      "../../src/octets/kernel-binary.ts",
    );
  });

  it("does what the plain form does, wherever octets lie and whatever they are", () => {
    const memory = new WebAssembly.Memory({ initial: 3, maximum: 3 });
    const octets = new Uint8Array(memory.buffer);
    const copied = new Uint8Array(octets.length);
    const kernel = wasmKernel(memory);
    const [plain, twin] = [plainKernel(octets), plainKernel(copied)];
    if (kernel === null) throw new Error("this Node has no SIMD");
    const filling = fc.oneof(fc.constant(0xff), fc.constant(0), fc.constant(null));
    fc.assert(
      fc.property(
        filling,
        fc.nat(1000),
        fc.oneof(fc.nat(100), fc.nat(65_535)),
        fc.nat(80_000),
        fc.integer(),
        (octet, at, length, to, seed) => {
          let next = seed | 1;
          for (let i = at; i < at + length; i++) {
            next = Math.imul(next, 0x5851f42d) + 0x14057b7f;
            octets[i] = octet ?? next >>> 13;
          }
          expect(kernel.sum(at, length)).toBe(plain.sum(at, length));
          copied.set(octets);
          twin.copy(to, at, length);
          kernel.copy(to, at, length);
          expect(Buffer.compare(octets, copied)).toBe(0);
        },
      ),
    );
  });
});
