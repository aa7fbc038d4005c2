import type { TableUse } from "../pipeline-contract.ts";

/** HMACs of joins' third ACKs (RFC 8684 §3.2) that no key verifies yet, by subflow. */
export class ThirdAcks {
  private readonly hmacs = new Map<number, Uint8Array>();
  private readonly most: number;

  /** @param most of more the oldest is forgotten: its verdict is unverifiable */
  constructor(most: number) {
    this.most = most;
  }

  /** Keeps a copy of the 20 octets until the session's keys are known. */
  keep(subflow: number, hmac: Uint8Array): void {
    const [oldest] = this.hmacs.keys();
    if (this.hmacs.size >= this.most && oldest !== undefined) this.hmacs.delete(oldest);
    this.hmacs.set(subflow, Uint8Array.from(hmac));
  }

  /** Joins of which one is kept. */
  get use(): TableUse {
    return { used: this.hmacs.size, bound: this.most };
  }

  /** What was kept of a subflow. */
  of(subflow: number): Uint8Array | undefined {
    return this.hmacs.get(subflow);
  }

  /** Forgets what was kept of a subflow. */
  forget(subflow: number): void {
    this.hmacs.delete(subflow);
  }
}
