/** TCP ports from `first` to `last`, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Reads `443` or `8000-8999`; null for text that is no port and no range of ports. */
export function parsePortRange(text: string): PortRange | null {
  const [, firstText, lastText] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  if (firstText === undefined) return null;
  const first = Number(firstText);
  const last = lastText === undefined ? first : Number(lastText);
  return first <= last && last <= 0xffff ? { first, last } : null;
}
