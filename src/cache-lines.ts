/** Octets of a cache line on the processors this runs on. */
const LINE_OCTETS = 64;
const PAGE_OCTETS = 65_536;

/** The one part of the platform's WebAssembly that is used; its types come with a browser's library only. */
declare const WebAssembly: {
  readonly Memory: new (pages: {
    readonly initial: number;
    readonly maximum: number;
  }) => { readonly buffer: ArrayBuffer };
};

/**
 * Zeroed words that begin at a cache line, so that a record of 64 octets is one line and not two. An ordinary buffer
 * begins 16 octets past one; WebAssembly memory begins at a page, and like it takes real memory only as it is used.
 */
export function cacheLineWords(words: number): Uint32Array {
  const octets = Math.max(words * 4, LINE_OCTETS);
  try {
    const pages = Math.ceil(octets / PAGE_OCTETS);
    return new Uint32Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer, 0, words);
  } catch {
    // No WebAssembly, or no address space for its guard pages: slower, and right all the same.
    return new Uint32Array(words);
  }
}

/** The same octets as float64, two words each. */
export function asFloats(words: Uint32Array): Float64Array {
  return new Float64Array(words.buffer, words.byteOffset, words.length >> 1);
}
