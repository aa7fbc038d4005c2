import { within } from "../../runtime/within.ts";

const CLOSE_LIMIT_MS = 3000;

/** Waits for a farewell, but neither for long nor beyond `limitMs`: during an outage kafkajs would go on trying. Never rejects. */
export async function limited(farewell: Promise<void>, limitMs = CLOSE_LIMIT_MS): Promise<void> {
  await within(
    farewell.catch(() => {}),
    Math.min(limitMs, CLOSE_LIMIT_MS),
  );
}
