import type { Admin, Kafka } from "kafkajs";
import { limited } from "./limited.ts";

/** Asks a cluster over an administrator's connection of its own. Returns what `question` does; throws what kafkajs throws. */
export async function withAdmin<Answer>(kafka: Kafka, question: (admin: Admin) => Promise<Answer>): Promise<Answer> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    return await question(admin);
  } finally {
    await limited(admin.disconnect());
  }
}
