import fc from "fast-check";
import kafkajs from "kafkajs";
import { expect, test } from "vitest";
import { partitionOf } from "../../../collectors/sink/kafka/partition.ts";

const choose = kafkajs.Partitioners.DefaultPartitioner();

test("a key has the partition that kafkajs gives it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 64 }), (key, count) => {
      const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
        ...{ partitionId, partitionErrorCode: 0, leader: 1, replicas: [1], isr: [1], offlineReplicas: [] },
      }));
      expect(partitionOf(key, count)).toBe(choose({ topic: "t", partitionMetadata, message: { key, value: null } }));
    }),
  );
});
