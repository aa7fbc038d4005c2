import { within } from "../../runtime/within.ts";

const CLOSE_LIMIT_MS = 3000;

/** Waits for a farewell, but not for long: during an outage kafkajs would go on trying. Never rejects. */
export async function limited(farewell: Promise<void>): Promise<void> {
  await within(
    farewell.catch(() => {}),
    CLOSE_LIMIT_MS,
  );
}
