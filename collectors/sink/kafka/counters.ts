import type { SinkStats } from "../sink.ts";
import { protocolCode } from "./errors.ts";

/** What a Kafka sink counts. */
export class KafkaCounters {
  private sends = 0;
  private retries = 0;
  private sendMs = 0;
  /** Bounded by the protocol's codes. */
  private readonly errors = new Map<string, number>();
  /** By whose it is, when the newest that was seen expires: one for each broker and file. */
  private readonly certificates = new Map<string, number>();

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

  /** The certificate of `what`, a broker or a file, expires then: in milliseconds since 1970. */
  expires(what: string, atMs: number): void {
    this.certificates.set(what, atMs);
  }

  stats(): SinkStats {
    const { sends, retries, sendMs, certificates } = this;
    return {
      sends,
      retries,
      sendMs: Math.round(sendMs),
      errors: Object.fromEntries(this.errors),
      certificateExpiresMs: certificates.size === 0 ? null : Math.min(...certificates.values()),
    };
  }
}
