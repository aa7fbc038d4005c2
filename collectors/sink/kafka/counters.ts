import type { SinkStats } from "../sink.ts";
import { protocolCode } from "./errors.ts";

/** What a Kafka sink counts. */
export class KafkaCounters {
  private sends = 0;
  private retries = 0;
  private sendMs = 0;
  /** Bounded by the protocol's codes. */
  private readonly errors = new Map<string, number>();
  certificateExpiresMs: number | null = null;

  sent(tookMs: number): void {
    this.sends += 1;
    this.sendMs += tookMs;
  }

  /** An attempt that failed, and is made again. */
  failed(error: unknown): void {
    this.retries += 1;
    const code = protocolCode(error);
    const label = code === null ? "network" : `protocol/${code}`;
    this.errors.set(label, (this.errors.get(label) ?? 0) + 1);
  }

  /** The first of all certificates in use counts. */
  expires(atMs: number): void {
    this.certificateExpiresMs = Math.min(this.certificateExpiresMs ?? Number.POSITIVE_INFINITY, atMs);
  }

  stats(): SinkStats {
    const { sends, retries, sendMs, certificateExpiresMs } = this;
    return {
      sends,
      retries,
      sendMs: Math.round(sendMs),
      errors: Object.fromEntries(this.errors),
      certificateExpiresMs,
    };
  }
}
