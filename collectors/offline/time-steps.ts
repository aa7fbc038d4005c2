import type { PacketVector } from "../../src/vector.ts";
import { grouped, milliseconds } from "../terminal/text.ts";

/**
 * What is this much earlier than a packet before it, or less, is not counted: so far apart are the stamps of processors that
 * write one file. Recorded sessions shuffled within it were told as they were; within 1 ms the first handshakes broke.
 */
const NEGLIGIBLE_MICROS = 100;

/** How far the packets of one file are from the order of their times, which a reading keeps. */
export class TimeSteps {
  private newest = Number.NEGATIVE_INFINITY;
  private earlier = 0;
  private mostMicros = 0;

  /** Takes the file's next packets. */
  look({ atMicros, length }: PacketVector): void {
    let { newest } = this;
    for (let i = 0; i < length; i++) {
      const at = atMicros[i] ?? 0;
      const behind = newest - at;
      if (behind <= 0) newest = at;
      else if (behind > NEGLIGIBLE_MICROS) {
        this.earlier += 1;
        if (behind > this.mostMicros) this.mostMicros = behind;
      }
    }
    this.newest = newest;
  }

  /** What to say of the file at `path`, which messages call `title`; null where it is in order. */
  line(path: string, title: string): string | null {
    if (this.earlier === 0) return null;
    const isOne = this.earlier === 1;
    const packets = isOne ? "1 packet is" : `${grouped(this.earlier)} packets are`;
    const file = path === "-" ? "FILE" : path;
    return `${title}: ${packets} earlier than one before ${isOne ? "it" : "them"}, up to ${milliseconds(this.mostMicros)} ms; put it in order first: reordercap ${file} ordered.pcapng`;
  }
}
