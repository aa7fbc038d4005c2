// create-topics.mjs BROKER TOPIC...: makes topics of two partitions, from inside the broker's own network.
import kafkajs from "kafkajs";

const [broker, ...topics] = process.argv.slice(2);
const admin = new kafkajs.Kafka({
  brokers: [broker],
  logLevel: kafkajs.logLevel.NOTHING,
  retry: { retries: 8 },
}).admin();
await admin.connect();
await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: 2 })), waitForLeaders: true });
await admin.disconnect();
