import type { PacketVector } from "../../src/vector.ts";

/** Takes a vector of packets; its block is valid until the call returns. Must not throw for what is in a packet. */
export type TakeVector = (vector: PacketVector) => void;

/** Which packets of an interface are captured: those that arrive, or also those that leave through it. */
export type Direction = "in" | "both";

/**
 * Makes the program of classic BPF that the kernel is to filter packets with, for what they begin with and for a number of
 * bits as in `flowFilter`; null when it would be too long.
 */
export type FilterSource = (link: "ethernet" | "ip", bits: number) => Uint8Array | null;

/** An interface to capture on, and the number its packets carry in `PacketVector.source`. */
export interface CapturePoint {
  readonly name: string;
  readonly source: number;
}

/** Packets of one or more interfaces, as they pass. Opened and inert until `run`. */
export interface Capture {
  /** How packets come, for the log: `ring` or `tcpdump`. */
  readonly kind: string;
  /** Hands packets over until `stop`; then resolves, with everything closed. Rejects with an OperationalError. */
  run(take: TakeVector): Promise<void>;
  stop(): void;
  /**
   * Makes the kernel's filter again, where there is one; what came before passed the one before. Returns null, or the name of
   * the error, with which the filter before stays.
   */
  renewFilter(): string | null;
  /** Packets that the kernel had no room for, since the start. */
  lost(): number;
}
