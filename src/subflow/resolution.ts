import { FATE_ALIVE } from "../fate.ts";
import { forVector } from "../for-vector.ts";
import type { PacketVector } from "../vector.ts";
import type { Fingerprints } from "./fingerprints.ts";
import { type FlowKeys, KEY_WORDS } from "./flow-key.ts";
import type { MirrorDuplicates } from "./mirror-duplicates.ts";
import type { SubflowEvents } from "./subflow-events.ts";
import { HOT_WORDS, STATE, STATE_IPV6 } from "./subflow-row.ts";
import type { SubflowTable } from "./subflow-table.ts";
import { untranslate } from "./translated-packets.ts";

/** Finds the subflows of a vector's packets, stage by stage over the vector, so that the loads of 64 packets overlap. */
export class Resolution {
  private readonly subflows: SubflowTable;
  private readonly keys: FlowKeys;
  private readonly fingerprints: Fingerprints;
  private readonly duplicates: MirrorDuplicates;
  private readonly events: SubflowEvents;
  /** Keeps the sums of touched lines, so that the loads are not optimised away. */
  private readonly touched = new Uint32Array(1);
  private readonly loopOf = forVector((vector) => this.loop(vector));

  constructor(
    subflows: SubflowTable,
    keys: FlowKeys,
    fingerprints: Fingerprints,
    duplicates: MirrorDuplicates,
    events: SubflowEvents,
  ) {
    this.subflows = subflows;
    this.keys = keys;
    this.fingerprints = fingerprints;
    this.duplicates = duplicates;
    this.events = events;
  }

  /** Leaves subflow (-1: none that is known) and direction of each packet in the events, and reads their fingerprints. */
  resolve(vector: PacketVector, count: number): void {
    const { keys, fingerprints, subflows, duplicates, events } = this;
    keys.read(vector, 0, count);
    events.fromHigher.set(keys.fromHigher);
    fingerprints.read(vector, 0, count);
    // Keys of packets that are no longer under way are stale: they are touched in vain, and looked up by nobody.
    this.touched[0] = subflows.index.guess(keys.hash, count, events.subflow) ^ duplicates.touch(count);
    this.loopOf(vector)(count);
    if (!subflows.translations.isEmpty) untranslate(vector, count, events, subflows, keys, fingerprints);
  }

  /** Loads the guessed subflows, both lines of each, then compares keys: what is another flow's is looked up. */
  private loop(vector: PacketVector): (count: number) => void {
    const { subflows, keys, events, touched } = this;
    const confirm = (count: number): void => {
      const { fate } = vector;
      const { subflow } = events;
      const { hot } = subflows;
      const { words, hash } = keys;
      let sum = 0;
      for (let i = 0; i < count; i++) {
        const base = Math.imul(subflow[i]!, HOT_WORDS);
        if (base >= 0) sum ^= hot[base]! ^ hot[base + HOT_WORDS / 2]!;
      }
      touched[0]! ^= sum;
      for (let i = 0; i < count; i++) {
        const guess = subflow[i]!;
        if (guess < 0 || fate[i] !== FATE_ALIVE) continue;
        const a = Math.imul(guess, HOT_WORDS);
        const b = i * KEY_WORDS;
        // As `SubflowTable.hasKey`, of IPv4, written out.
        const isSameIpv4 =
          hot[a] === words[b] &&
          hot[a + 4] === words[b + 4] &&
          hot[a + 8] === words[b + 8] &&
          words[b + 9] === 4 &&
          (hot[a + STATE]! & STATE_IPV6) === 0;
        if (!isSameIpv4 && !subflows.hasKey(guess, i)) subflow[i] = subflows.index.find(hash[i]!, i);
      }
    };
    return confirm;
  }
}
