import { MAX_TRANSLATIONS } from "../../schema/session-vocabulary.ts";
import type { PacketVector } from "../vector.ts";
import { type FlowKeys, KEY_WORDS } from "./flow-key.ts";
import { HOT_WORDS, KEY, STATE, STATE_IPV6 } from "./subflow-row.ts";

/** What a translated flow is. */
interface Translation {
  readonly subflow: number;
  /** 1 when the lower endpoint of the flow is the higher one of the subflow, else 0. */
  readonly swapped: 0 | 1;
}

/**
 * Flows that are a known subflow on the other side of an address translator (NAT), seen by another agent: the same
 * packets with other addresses. Whoever can prove it says so; from then on their packets are taken for the subflow's own,
 * so that copies count once. Bounded by the subflow table, whose places they keep for their keys.
 */
export class Translations {
  private readonly flows = new Map<number, Translation>();
  private readonly ofSubflow = new Map<number, number[]>();

  /** Notes that a flow, and what it was seen as, is a subflow's; false when that would be more than the bound allows. */
  add(flow: number, subflow: number, swapped: 0 | 1): boolean {
    const own = this.flowsOf(flow);
    const all = [...this.flowsOf(subflow), flow, ...own];
    if (all.length > MAX_TRANSLATIONS) return false;
    for (const one of own) this.flows.set(one, { subflow, swapped: this.flows.get(one)?.swapped === swapped ? 0 : 1 });
    this.flows.set(flow, { subflow, swapped });
    this.ofSubflow.delete(flow);
    this.ofSubflow.set(subflow, all);
    return true;
  }

  /** What a flow is; undefined where it is nobody's but its own. */
  of(flow: number): Translation | undefined {
    return this.flows.get(flow);
  }

  /** The flows as which a subflow was seen, besides its own. */
  flowsOf(subflow: number): readonly number[] {
    return this.ofSubflow.get(subflow) ?? [];
  }

  /** Forgets a flow. */
  remove(flow: number): void {
    const subflow = this.flows.get(flow)?.subflow;
    if (subflow === undefined) return;
    this.flows.delete(flow);
    const left = this.flowsOf(subflow).filter((one) => one !== flow);
    if (left.length > 0) this.ofSubflow.set(subflow, left);
    else this.ofSubflow.delete(subflow);
  }

  get isEmpty(): boolean {
    return this.flows.size === 0;
  }
}

/** Takes the translation off packet i: its key, hash, direction and ports become those of the subflow. */
export function takeOff(
  translation: Translation,
  vector: PacketVector,
  keys: FlowKeys,
  hot: Uint32Array,
  i: number,
): void {
  const base = translation.subflow * HOT_WORDS;
  const isIpv6 = (hot[base + STATE]! & STATE_IPV6) !== 0;
  const higher = keys.fromHigher[i]! ^ translation.swapped;
  const at = i * KEY_WORDS;
  keys.words.set(hot.subarray(base + KEY, base + KEY + KEY_WORDS - 1), at);
  keys.words[at + KEY_WORDS - 1] = isIpv6 ? 6 : 4;
  keys.hash[i] = keys.hashOf(keys.words, at, !isIpv6);
  keys.fromHigher[i] = higher;
  const ports = keys.words[at + KEY_WORDS - 2]!;
  vector.ports[i] = higher === 1 ? (ports << 16) | (ports >>> 16) : ports;
}
