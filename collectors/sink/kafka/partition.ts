const SEED = 0x9747b28c;
const FACTOR = 0x5bd1e995;

/**
 * The partition of a key: 0 to `partitions` - 1, the one that Kafka's own clients choose (murmur2 of its octets in UTF-8).
 * kafkajs's does the same with big integers, which is a tenth of the work of a send.
 */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(Buffer.from(key)) & 0x7fffffff) % partitions;
}

function murmur2(octets: Buffer): number {
  const { length } = octets;
  let hash = SEED ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word = Math.imul(octets.readInt32LE(at), FACTOR);
    word = Math.imul(word ^ (word >>> 24), FACTOR);
    hash = Math.imul(hash, FACTOR) ^ word;
  }
  if (at < length) hash = Math.imul(hash ^ octets.readUIntLE(at, length - at), FACTOR);
  hash = Math.imul(hash ^ (hash >>> 13), FACTOR);
  return hash ^ (hash >>> 15);
}
