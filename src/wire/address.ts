/** The text of the IPv4 (`family` 4: dotted) or IPv6 (RFC 5952) address whose octets begin at `at`. */
export function addressText(view: DataView, at: number, family: number): string {
  return family === 4 ? ipv4Text(view.getUint32(at)) : ipv6Text(readWords(view, at));
}

const readWords = (view: DataView, at: number): number[] => [0, 4, 8, 12].map((word) => view.getUint32(at + word));

/** The dotted text of an IPv4 address given as a number. */
export function ipv4Text(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

/** The RFC 5952 text of an IPv6 address given as four 32-bit words: the longest run of zeros is cut, the first of equals. */
export function ipv6Text(words: readonly number[]): string {
  const groups = words.flatMap((word) => [word >>> 16, word & 0xffff]);
  let best = { at: 0, length: 1 };
  for (let at = 0; at < groups.length; at++) {
    let length = 0;
    while (at + length < groups.length && groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  if (best.length < 2) return hex(groups);
  return `${hex(groups.slice(0, best.at))}::${hex(groups.slice(best.at + best.length))}`;
}

/** The four 32-bit words of an IPv4 or IPv6 address text (IPv4 in the first word, the rest 0), or null when it is neither. */
export function parseAddress(text: string): { family: 4 | 6; words: [number, number, number, number] } | null {
  const ipv4 = parseIpv4(text);
  if (ipv4 !== null) return { family: 4, words: [ipv4, 0, 0, 0] };
  if (!text.includes(":")) return null;
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? "", true) : [];
  if (head === null || tail === null) return null;
  const zeros = 8 - head.length - tail.length;
  if (halves.length === 2 ? zeros < 1 : zeros !== 0) return null;
  const groups = [...head, ...new Array<number>(zeros).fill(0), ...tail];
  const word = (i: number): number => (((groups[i] ?? 0) << 16) | (groups[i + 1] ?? 0)) >>> 0;
  return { family: 6, words: [word(0), word(2), word(4), word(6)] };
}

function parseIpv4(text: string): number | null {
  // No leading zeros: some parsers read what follows one as octal.
  if (!/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(text)) return null;
  const octets = text.split(".").map(Number);
  return octets.every((octet) => octet < 256) ? octets.reduce((word, octet) => word * 256 + octet, 0) : null;
}

/** The 16-bit groups of a part of an IPv6 address; the last two of the address may be written as IPv4 (RFC 4291 §2.2). */
function parseGroups(text: string, isLast: boolean): number[] | null {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    const ipv4 = isLast && i === parts.length - 1 ? parseIpv4(part) : null;
    if (ipv4 !== null) groups.push(ipv4 >>> 16, ipv4 & 0xffff);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}
