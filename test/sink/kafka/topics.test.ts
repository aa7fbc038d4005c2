import { expect, test } from "vitest";
import { topicFaults } from "../../../collectors/sink/kafka/topics.ts";

const GOOD = { cleanupPolicy: "delete", maxMessageOctets: 1_048_588, minInsyncReplicas: 2 };

test.each([
  [3, {}, []],
  [1, { minInsyncReplicas: 1 }, []],
  [3, { cleanupPolicy: "compact,delete" }, ["cleanup.policy compact,delete deletes all but a session's newest record"]],
  [3, { maxMessageOctets: 10_000 }, ["max.message.bytes 10000 refuses larger records"]],
  [2, { minInsyncReplicas: 3 }, ["min.insync.replicas 3 of 2 replicas: it takes no record at all"]],
  [3, { minInsyncReplicas: 1 }, ["min.insync.replicas 1: what one broker has alone is acknowledged"]],
])("a topic of %i replicas with %j", (replicas, settings, said) => {
  const lines = topicFaults("t", replicas, { ...GOOD, ...settings });
  expect(lines).toEqual(said.map((text) => expect.stringContaining(`topic t: ${text}`)));
});
