import { pageMemory } from "./page-memory.ts";

/**
 * Zeroed words that begin at a cache line, so that a record of 64 octets is one line and not two: an ordinary buffer begins
 * 16 octets past one.
 */
export function cacheLineWords(words: number): Uint32Array {
  return new Uint32Array(pageMemory(words * 4).buffer, 0, words);
}

/** The same octets as float64, two words each. */
export function asFloats(words: Uint32Array): Float64Array {
  return new Float64Array(words.buffer, words.byteOffset, words.length >> 1);
}
