import kafkajs, { type CompressionTypes, type Message, type PartitionMetadata } from "kafkajs";
import type { OutboxRecord } from "../../outbox/outbox.ts";
import { carrierOf } from "./carrier.ts";
import { partitionOf } from "./partition.ts";

/** Records of one send. Without compression kafkajs copies its list once per message: the cost grows with the square. */
const MAX_SEND_RECORDS = 500;
/** Octets of one send, unless one record alone has more: below the 1 MB that brokers take by default. */
export const MAX_SEND_OCTETS = 524_288;

/** Records of one partition, settled together. */
export interface PartitionBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: OutboxRecord[];
}

/** Divides records by partition, in their order, into batches that one send takes. */
export function divide(
  records: readonly OutboxRecord[],
  partitions: ReadonlyMap<string, PartitionMetadata[]>,
): PartitionBatch[] {
  const batches: PartitionBatch[] = [];
  const open = new Map<string, { batch: PartitionBatch; octets: number }>();
  for (const record of records) {
    const { topic, key, value } = record;
    const partitionMetadata = partitions.get(topic);
    if (partitionMetadata === undefined) throw new Error(`kafka sink: ${topic} is not among its topics`);
    const partition = partitionOf(key, partitionMetadata.length);
    const name = `${topic}/${partition}`;
    let entry = open.get(name);
    if (
      entry === undefined ||
      entry.batch.records.length >= MAX_SEND_RECORDS ||
      entry.octets + value.length > MAX_SEND_OCTETS
    ) {
      entry = { batch: { topic, partition, records: [] }, octets: 0 };
      open.set(name, entry);
      batches.push(entry.batch);
    }
    entry.batch.records.push(record);
    entry.octets += value.length;
  }
  return batches;
}

/**
 * A batch as kafkajs takes it. The messages' time is that of each attempt, and not the records' own: a broker forgets,
 * when it restarts, every producer whose last message is a day old by its timestamp, and takes the batch that it is sent
 * again as a new one.
 */
export function messagesOf({ partition, records }: PartitionBatch, compression: CompressionTypes): Message[] {
  // Only a codec can put the records in the place of what carries them.
  if (compression !== kafkajs.CompressionTypes.None) return carrierOf(records, partition);
  return records.map(({ key, value, headers }) => ({
    key,
    value: Buffer.from(value.buffer, value.byteOffset, value.byteLength),
    headers: { ...headers },
    partition,
  }));
}

/** Both halves of a batch of two records or more. */
export function halves(batch: PartitionBatch): readonly [PartitionBatch, PartitionBatch] {
  const half = batch.records.length >> 1;
  return [
    { ...batch, records: batch.records.slice(0, half) },
    { ...batch, records: batch.records.slice(half) },
  ];
}
