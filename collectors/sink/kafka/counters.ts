import type { SinkStats } from "../sink.ts";
import { protocolCode } from "./errors.ts";

/** Certificates that are watched: more than a cluster has brokers. At the bound the one that was seen longest ago goes. */
const MAX_CERTIFICATES = 1024;

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
    this.certificates.delete(what);
    this.certificates.set(what, atMs);
    const [oldest] = this.certificates.keys();
    if (this.certificates.size > MAX_CERTIFICATES && oldest !== undefined) this.certificates.delete(oldest);
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
