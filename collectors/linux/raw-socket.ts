import type { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import { OperationalError } from "../runtime/errors.ts";

/** What is used of package raw-socket, which has no types of its own. */
export interface RawSocketModule {
  /** Address family 1 is IPv4, 2 is IPv6; packets longer than `bufferSize`, 4096 unless said otherwise, are cut without a word. */
  createSocket(options: { protocol: number; addressFamily: 1 | 2; bufferSize?: number }): RawSocket;
}

/** A socket of it, which sends and receives. Nothing in raw-socket keeps it alive: its owner must refer to it. */
export interface RawSocket extends EventEmitter {
  send(buffer: Buffer, at: number, length: number, address: string, done: (error: Error | null) => void): void;
  pauseRecv(): void;
  setOption(level: number, option: number, value: number): void;
  getOption(level: number, option: number, value: Buffer, length: number): number;
  close(): void;
}

/**
 * The package, which is optional: a machine without a compiler has everything but protocol 47. Throws an OperationalError
 * where it was not built, that says what needs it, and what can be done `instead`.
 */
export function loadRawSocket(needed: string, instead: string): RawSocketModule {
  try {
    return createRequire(import.meta.url)("raw-socket") as RawSocketModule;
  } catch (cause) {
    throw new OperationalError(
      "no-raw-socket",
      `${needed}, which was not built (npm rebuild raw-socket, with a compiler, says why); ${instead}`,
      { cause },
    );
  }
}
