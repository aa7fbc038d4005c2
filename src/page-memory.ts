const PAGE_OCTETS = 65_536;

/** The one part of the platform's WebAssembly that is used; its types come with a browser's library only. */
declare const WebAssembly: {
  readonly Memory: new (pages: {
    readonly initial: number;
    readonly maximum: number;
  }) => { readonly buffer: ArrayBuffer };
};

/**
 * At least so many octets of WebAssembly memory, zeroed, which begin at a page and take real memory only as they are used.
 * Where there is no WebAssembly, or no address space for its guard pages, an ordinary buffer: slower, and right all the same.
 */
export function pageMemory(octets: number): { readonly buffer: ArrayBuffer } {
  const pages = Math.max(Math.ceil(octets / PAGE_OCTETS), 1);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch {
    return { buffer: new ArrayBuffer(pages * PAGE_OCTETS) };
  }
}
