import { KERNEL } from "./kernel-binary.ts";
import { sumOctets } from "./octet-sum.ts";

/** What is done with octets of one memory, by address. */
export interface Kernel {
  /** Copies `length` octets. */
  readonly copy: (to: number, from: number, length: number) => void;
  /** As `sumOctets`; of at most 2^19 octets. */
  readonly sum: (at: number, length: number) => number;
}

/** The parts of the platform's WebAssembly that are used; its types come with a browser's library only. */
declare const WebAssembly: {
  readonly Module: new (octets: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

/** kernel.wat over a WebAssembly memory of at least a page; null where it does not run: on processors without SIMD, over other memory. */
export function wasmKernel(memory: object): Kernel | null {
  try {
    const module = new WebAssembly.Module(Buffer.from(KERNEL, "base64"));
    return new WebAssembly.Instance(module, { arena: { memory } }).exports as Kernel;
  } catch {
    return null;
  }
}

/** The same in TypeScript. */
export function plainKernel(octets: Uint8Array<ArrayBuffer>): Kernel {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  return {
    copy: (to, from, length) => void octets.copyWithin(to, from, from + length),
    sum: (at, length) => sumOctets(view, at, length),
  };
}
