import { ARENA_OCTETS, type SendSocket } from "../../collectors/agent/transmitter.ts";

/** A socket as slow as the test wants: copies stay under way until the test lets them go. */
export class HeldSocket implements SendSocket {
  readonly under: { readonly octets: Uint8Array; readonly done: (error: string | null) => void }[] = [];
  readonly refused = 0;
  readonly tooLong = 0;
  readonly arena = new Uint8Array(ARENA_OCTETS);
  closed = false;
  flushes = 0;

  send(at: number, length: number, done: (error: string | null) => void): void {
    this.under.push({ octets: this.arena.subarray(at, at + length), done });
  }

  flush(): void {
    this.flushes++;
  }

  retry(): void {}

  close(): void {
    this.closed = true;
  }
}
