/** A word whose every bit depends on all bits of `word`; one to one, and the same in every agent (MurmurHash3's finish). */
export function mixed(word: number): number {
  let h = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Whether a session is among the `share`, 0 to 1, of sessions that are sampled. `session` is a token or stands for one;
 * every agent decides alike, and a session of a smaller share is in every larger one.
 */
export function isSampled(session: number, share: number): boolean {
  return mixed(session) < share * 2 ** 32;
}
