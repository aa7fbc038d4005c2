import type { Decoded } from "../../schema/encoding.ts";

/** A record, or what stands in a record's place, and where it was found: file and octet, or topic, partition and offset. */
export interface Arrival {
  readonly where: string;
  readonly decoded: Decoded;
}

/** Takes one arrival; resolves to false when no more are wanted. */
export type Take = (arrival: Arrival) => Promise<boolean>;
