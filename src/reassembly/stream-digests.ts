import { createHash, type Hash } from "node:crypto";
import type { NewOctets } from "./new-octets.ts";
import { ENDLESS_PATIENCE, type StreamChunk } from "./stream-chunk.ts";
import { StreamChunks } from "./stream-chunks.ts";
import type { StreamWindows } from "./stream-windows.ts";

/** SHA-256 over each stream's octets from its first up to its first hole, hashed window by window. */
export class StreamDigests {
  readonly chunks: StreamChunks;
  /**
   * Of streams that had more than a window, or were asked for; null where a bound gave a hole up: there is no digest any
   * more.
   */
  private readonly hashes = new Map<number, Hash | null>();

  /** @param streams how many streams there can be; they are numbered from 0 */
  constructor(streams: number, windows: StreamWindows) {
    this.chunks = new StreamChunks(streams, windows, ENDLESS_PATIENCE, (chunk) => this.add(chunk));
  }

  /** As `StreamChunks.take`. */
  take(octets: NewOctets, skip: number, address: number): number {
    return this.chunks.take(octets, skip, address);
  }

  /** The digest so far in hexadecimal, or null when it was given up. */
  hex(stream: number): string | null {
    this.chunks.flush(stream);
    const hash = this.hashes.get(stream);
    if (hash === undefined) return createHash("sha256").digest("hex");
    return hash === null ? null : hash.copy().digest("hex");
  }

  /** Forgets a stream. */
  end(stream: number): void {
    this.chunks.end(stream);
    this.hashes.delete(stream);
  }

  private add({ stream, octets, hole }: StreamChunk): void {
    let hash = this.hashes.get(stream);
    if (hash === null || (hash === undefined && octets.length === 0)) return;
    if (hole > 0) hash = null;
    else hash = (hash ?? createHash("sha256")).update(octets);
    this.hashes.set(stream, hash);
  }
}
