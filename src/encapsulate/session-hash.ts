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

/** A number that stands for a name, the same in every agent (FNV-1a over its UTF-16 units). */
export function nameHash(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return mixed(hash);
}

/**
 * Which of several places a session belongs to: the one whose mixture with it is the highest (rendezvous hashing), among
 * those that `isOpen` says are there. When one goes, its sessions alone move. -1 where none is open.
 */
export function placeOf(session: number, names: Uint32Array, isOpen: (place: number) => boolean): number {
  let found = -1;
  let highest = -1;
  for (let place = 0; place < names.length; place++) {
    const weight = mixed(session ^ (names[place] ?? 0));
    if (weight <= highest || !isOpen(place)) continue;
    highest = weight;
    found = place;
  }
  return found;
}
