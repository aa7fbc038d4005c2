/**
 * The ones-complement sum of `length` octets of `view` from `at`, as 16-bit words in network order, folded to 16 bits;
 * a last odd octet is the high half of a word (RFC 1071). The pieces of a mapping can be summed in any order: one that
 * begins at an odd octet of it goes through `swapped`.
 */
export function sumOctets(view: DataView, at: number, length: number): number {
  const end = at + length;
  let sum = 0;
  let i = at;
  for (; i + 16 <= end; i += 16) {
    const a = view.getUint32(i);
    const b = view.getUint32(i + 4);
    const c = view.getUint32(i + 8);
    const d = view.getUint32(i + 12);
    sum +=
      (a >>> 16) + (a & 0xffff) + (b >>> 16) + (b & 0xffff) + (c >>> 16) + (c & 0xffff) + (d >>> 16) + (d & 0xffff);
  }
  for (; i + 2 <= end; i += 2) sum += view.getUint16(i);
  if (i < end) sum += view.getUint8(i) << 8;
  return folded(sum);
}

/** A 16-bit word with its octets the other way round: what a sum becomes when all its octets move by one. */
export function swapped(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8);
}

/** Carries added back until 16 bits are left; exact for sums below 2^53. */
export function folded(sum: number): number {
  let left = sum;
  while (left > 0xffff) left = (left % 0x10000) + Math.floor(left / 0x10000);
  return left;
}
