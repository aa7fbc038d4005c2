import { createRequire } from "node:module";
import type { CompressionTypes, Message } from "kafkajs";

/** A record or a request as kafkajs has encoded it. */
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

/** A batch as kafkajs decodes it. */
export interface DecodedBatch {
  readonly firstSequence: number;
  readonly lastOffsetDelta: number;
  readonly records: readonly DecodedRecord[];
}

/** What kafkajs sends to one partition. */
interface PartitionData {
  readonly partition: number;
  readonly messages: Message[];
}

/** What is used of kafkajs's decoder. */
interface KafkaDecoder {
  readString(): string | null;
  readInt16(): number;
  readInt32(): number;
}

const require = createRequire(import.meta.url);
const encodeOne: (record: object) => Encoded = require("kafkajs/src/protocol/recordBatch/record/v0");
const divide: (all: object) => Record<string, Message[]> = require("kafkajs/src/producer/groupMessagesPerPartition");
const produce: (request: object) => {
  encode(): Promise<Encoded>;
} = require("kafkajs/src/protocol/requests/produce/v3/request");
const decodeBatch: (decoder: object) => Promise<DecodedBatch> = require("kafkajs/src/protocol/recordBatch/v0/decoder");
const Decoder: new (octets: Buffer) => KafkaDecoder = require("kafkajs/src/protocol/decoder");

/** Messages of one time, as kafkajs encodes the records of a batch. */
export function recordSet(messages: readonly Message[]): Buffer {
  return Buffer.concat(messages.map((message, offsetDelta) => encodeOne({ ...message, offsetDelta }).buffer));
}

/** Messages of one topic by partition, as a producer of kafkajs divides them. */
export function divided(messages: readonly Message[]): PartitionData[] {
  const all = { topic: "t", partitionMetadata: [{}], messages, partitioner: partitionIn };
  return Object.entries(divide(all)).map(([partition, own]) => ({ partition: Number(partition), messages: own }));
}

const partitionIn = ({ message }: { message: Message }): number => message.partition ?? 0;

/** What a consumer reads of messages of one partition that a producer of kafkajs sends in one request. */
export async function throughProducer(
  messages: readonly Message[],
  compression: CompressionTypes,
): Promise<DecodedBatch> {
  const partitions = divided(messages).map((one) => ({ ...one, firstSequence: 7 }));
  const request = produce({ acks: -1, timeout: 1, compression, topicData: [{ topic: "t", partitions }] });
  const { buffer } = await request.encode();
  const decoder = new Decoder(buffer);
  // Transactional id, acks, timeout; one topic, its name; one partition, its number, octets of its batch.
  decoder.readString();
  decoder.readInt16();
  decoder.readInt32();
  if (decoder.readInt32() !== 1 || decoder.readString() !== "t") throw new Error("not one topic");
  if (decoder.readInt32() !== 1) throw new Error("not one partition");
  decoder.readInt32();
  decoder.readInt32();
  return decodeBatch(decoder);
}
