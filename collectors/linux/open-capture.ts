import { OperationalError } from "../runtime/errors.ts";
import type { Capture, CapturePoint, Direction, FilterSource } from "./capture.ts";
import { loadLibc } from "./libc.ts";
import { RingCapture } from "./ring-capture.ts";
import { TcpdumpCapture } from "./tcpdump-capture.ts";

/** What to capture, by which means. */
export interface CaptureOptions {
  readonly points: readonly CapturePoint[];
  readonly direction: Direction;
  readonly promiscuous: boolean;
  /** Who this process will be once all is open; null for who it is. */
  readonly user: string | null;
  /** `ring`, `tcpdump`, or whichever is to be had, in this order. */
  readonly by: "auto" | "ring" | "tcpdump";
  /** What the kernel lets pass; null for all. tcpdump's pipe has none. */
  readonly filter: FilterSource | null;
  /** The event loop's turn between two blocks of a ring; may take longer, and packets wait in the ring. */
  readonly turn?: () => Promise<unknown>;
  /** Told one line when tcpdump stands in for the ring, and when an interface goes or comes back. */
  readonly warn: (line: string) => void;
}

/**
 * Opens a capture on interfaces: packet rings, or tcpdump's pipes where package koffi is missing. Rejects with an
 * OperationalError when an interface is unknown, the privilege is missing or neither way is to be had.
 */
export async function openCapture(options: CaptureOptions): Promise<Capture> {
  if (options.by !== "tcpdump") {
    try {
      return new RingCapture(await loadLibc(), {
        ...options,
        onInterface: (name, event) =>
          options.warn(
            event === "gone"
              ? `interface ${name} is gone; nothing is captured there until it is back`
              : `interface ${name} is back and captured on`,
          ),
      });
    } catch (error) {
      const replaceable = error instanceof OperationalError && error.code === "no-koffi" && options.by === "auto";
      if (!replaceable) throw error;
      options.warn(`${error.message}; capturing through tcpdump instead`);
    }
  }
  return TcpdumpCapture.open(options);
}
