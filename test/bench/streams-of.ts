import { createHash } from "node:crypto";
import { SEGMENT_OCTETS, type Side } from "./conversation.ts";
import { PIECES, Pieces } from "./pieces.ts";
import { Random } from "./random.ts";
import { segmentsOf, type Workload } from "./traffic.ts";

/** What a generated session's side sent, as the generator's plan has it: sessions PIECES apart send the same. */
export class TrueStreams {
  private readonly workload: Workload;
  private readonly pieces: Pieces;

  constructor(workload: Workload) {
    this.workload = workload;
    this.pieces = new Pieces(new Random(workload.seed));
  }

  /** The octets of one side's stream. */
  octets(session: number, side: Side): Uint8Array {
    let segments = 0;
    for (let index = 0; index <= session % 4; index++) segments += segmentsOf(this.workload, index)[side];
    const octets = new Uint8Array(segments * SEGMENT_OCTETS);
    for (let i = 0; i < segments; i++) octets.set(this.pieces.piece(session + 7 * side + i), i * SEGMENT_OCTETS);
    return octets;
  }

  /** SHA-256 of every stream, initiator's and responder's of each session in turn. */
  digests(): string[] {
    return this.each((session, side) => createHash("sha256").update(this.octets(session, side)).digest("hex"));
  }

  /** One thing for every stream, made once for those that are alike. */
  each<T>(make: (session: number, side: Side) => T): T[] {
    const made = Array.from({ length: PIECES }, (_, session) => [make(session, 0), make(session, 1)]);
    return Array.from({ length: this.workload.sessions }, (_, session) => made[session % PIECES] ?? []).flat();
  }
}
