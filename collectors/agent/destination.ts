import { lookup } from "node:dns/promises";
import type { Destination } from "../../schema/configuration/destination.ts";
import { OperationalError } from "../runtime/errors.ts";

/** A collector's address, resolved. */
export interface Target {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number | null;
}

/** Looks the collector's name up. Rejects with an OperationalError when it has no address. */
export async function resolveDestination(destination: Destination): Promise<Target> {
  try {
    const { address, family } = await lookup(destination.host);
    return { address, family: family === 6 ? 6 : 4, port: destination.port };
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    throw new OperationalError(
      "collector-unknown",
      `the collector's name ${destination.host} cannot be resolved (${code}); check --collector and the name service`,
      { retriable: true, cause },
    );
  }
}
