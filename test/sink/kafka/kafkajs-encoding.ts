import { createRequire } from "node:module";
import type { CompressionTypes, Message } from "kafkajs";

/** A record or a batch as kafkajs has encoded it. */
interface Encoded {
  readonly buffer: Buffer;
}

/** A record as kafkajs decodes it. */
export interface DecodedRecord {
  readonly timestamp: string;
  readonly offset: string;
  readonly key: Buffer | null;
  readonly value: Buffer;
  readonly headers: Record<string, Buffer>;
}

const require = createRequire(import.meta.url);
const encodeOne: (record: object) => Encoded = require("kafkajs/src/protocol/recordBatch/record/v0");
const batches: { RecordBatch(batch: object): Promise<Encoded> } = require("kafkajs/src/protocol/recordBatch/v0");
const decodeBatch: (
  decoder: object,
) => Promise<{ records: DecodedRecord[] }> = require("kafkajs/src/protocol/recordBatch/v0/decoder");
const Decoder: new (octets: Buffer) => { forward(octets: number): void } = require("kafkajs/src/protocol/decoder");

/** Messages of one time, as kafkajs encodes the records of a batch. */
export function recordSet(messages: readonly Message[]): Buffer {
  return Buffer.concat(messages.map((message, offsetDelta) => encodeOne({ ...message, offsetDelta }).buffer));
}

/** What a consumer reads of messages of one time that a producer of kafkajs has sent in one batch. */
export async function throughBatch(
  messages: readonly Message[],
  compression: CompressionTypes,
): Promise<DecodedRecord[]> {
  const timestamp = messages[0]?.timestamp;
  const { buffer } = await batches.RecordBatch({
    compression,
    records: messages.map((message, offsetDelta) => encodeOne({ ...message, offsetDelta })),
    firstTimestamp: timestamp,
    maxTimestamp: timestamp,
    lastOffsetDelta: messages.length - 1,
  });
  return (await decodeBatch(new Decoder(buffer))).records;
}
