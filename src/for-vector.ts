import type { PacketVector } from "./vector.ts";

/**
 * Makes something once for each vector that comes: loops over its columns and over tables, which are closures over them.
 * While there is one such closure only, as where all packets come from one source, the compiler takes arrays for constants
 * (as it does in asm.js): their addresses and lengths stand in the code, where else each look-up loads and checks them.
 *
 * For that a loop takes its arrays at the beginning of each call, out of objects that the closure holds. What may be
 * another at the next call, such as a vector's `view`, is looked up as ever.
 */
export function forVector<T>(make: (vector: PacketVector) => T): (vector: PacketVector) => T {
  const made = new WeakMap<PacketVector, T>();
  return (vector) => {
    let found = made.get(vector);
    if (found === undefined) {
      found = make(vector);
      made.set(vector, found);
    }
    return found;
  };
}
