// Findings out of octets as they stand in the topic, in either encoding: node findings.js FILE...
// In a consumer of kafkajs the octets are `message.value`.
import { readFileSync } from "node:fs";
import { decode, type FindingRecord, findingRecord } from "rejoin/schema";

/** The finding in one message's value; null for records of other datasets. Throws for what is no record. */
export function findingIn(value: Uint8Array): FindingRecord | null {
  const decoded = decode(value);
  if (!decoded.ok) throw new Error(decoded.reason);
  const parsed = findingRecord.safeParse(decoded.record);
  return parsed.success ? parsed.data : null;
}

for (const file of process.argv.slice(2)) {
  const finding = findingIn(readFileSync(file));
  if (finding === null) continue;
  const { event, source, destination, message } = finding;
  console.log(`${event.severity} ${event.action} ${source.ip} -> ${destination.ip}: ${message}`);
}
