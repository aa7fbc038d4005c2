import { parseAddress } from "./address.ts";

/** A range of addresses: those whose first `length` bits, which are the words under the masks, are these. */
export interface AddressRange {
  readonly family: 4 | 6;
  readonly length: number;
  readonly words: readonly [number, number, number, number];
  readonly masks: readonly [number, number, number, number];
}

/**
 * Reads an address, or a network as in 192.0.2.0/24 or 2001:db8::/48 (RFC 4632 §3.1, RFC 4291 §2.3), of which any address
 * may stand for it. Null where it is neither.
 */
export function parseRange(text: string): AddressRange | null {
  const [address = "", length, ...more] = text.split("/");
  const parsed = parseAddress(address);
  if (parsed === null || more.length > 0) return null;
  const bits = parsed.family === 4 ? 32 : 128;
  if (length !== undefined && !/^(0|[1-9]\d{0,2})$/.test(length)) return null;
  const prefix = length === undefined ? bits : Number(length);
  if (prefix > bits) return null;
  const mask = (word: number): number => {
    const ones = Math.min(32, Math.max(0, prefix - word * 32));
    return ones === 0 ? 0 : (0xffffffff << (32 - ones)) >>> 0;
  };
  const masks = [mask(0), mask(1), mask(2), mask(3)] as const;
  const [a, b, c, d] = parsed.words;
  const words = [(a & masks[0]) >>> 0, (b & masks[1]) >>> 0, (c & masks[2]) >>> 0, (d & masks[3]) >>> 0] as const;
  return { family: parsed.family, length: prefix, words, masks };
}

/** Whether an address of this family lies in the range; its four words (IPv4 in the first) stand in `words` from `at` on. */
export function isInRange(range: AddressRange, family: number, words: ArrayLike<number>, at = 0): boolean {
  return (
    range.family === family &&
    range.words.every((word, i) => ((words[at + i] ?? 0) & (range.masks[i] ?? 0)) >>> 0 === word)
  );
}
