import { MAX_AGENTS } from "../../schema/session-vocabulary.ts";
import { AGENTS, COLD_WORDS, HOT_WORDS, STATE, STATE_AGENT_SHIFT } from "./subflow-row.ts";

/** Agents kept in a subflow's cold line; further ones, of the few subflows that have them, in a set. */
const AGENTS_IN_LINE = 6;

/** Which agents copied each subflow. */
export class SubflowAgents {
  private readonly hot: Uint32Array;
  private readonly cold: Uint32Array;
  /** Those that found no room in the cold line of a subflow; at most as many as are told apart (1,024). */
  private readonly further = new Map<number, Set<number>>();

  /** @param hot the words of the subflow table, as `cold` */
  constructor(hot: Uint32Array, cold: Uint32Array) {
    this.hot = hot;
    this.cold = cold;
  }

  /** Notes that an agent copied this subflow: mostly the one that copied the packet before. */
  note(subflow: number, agent: number): void {
    const at = subflow * HOT_WORDS + STATE;
    if (this.hot[at]! >>> STATE_AGENT_SHIFT === agent + 1) return;
    this.hot[at] = (this.hot[at]! & ((1 << STATE_AGENT_SHIFT) - 1)) | ((agent + 1) << STATE_AGENT_SHIFT);
    const base = subflow * COLD_WORDS + AGENTS;
    for (let half = 0; half < AGENTS_IN_LINE; half++) {
      const word = base + (half >> 1);
      const shift = (half & 1) * 16;
      const known = (this.cold[word]! >>> shift) & 0xffff;
      if (known === agent + 1) return;
      if (known === 0) {
        this.cold[word]! |= (agent + 1) << shift;
        return;
      }
    }
    const further = this.further.get(subflow);
    if (further === undefined) this.further.set(subflow, new Set([agent]));
    else further.add(agent);
  }

  /** The agents that copied a subflow, in the order they were first seen; at most MAX_AGENTS. */
  of(subflow: number): number[] {
    const agents: number[] = [];
    for (let half = 0; half < AGENTS_IN_LINE; half++) {
      const known = (this.cold[subflow * COLD_WORDS + AGENTS + (half >> 1)]! >>> ((half & 1) * 16)) & 0xffff;
      if (known !== 0) agents.push(known - 1);
    }
    return [...agents, ...(this.further.get(subflow) ?? [])].slice(0, MAX_AGENTS);
  }

  /** How many more agents than MAX_AGENTS copied a subflow. */
  unnamed(subflow: number): number {
    return Math.max(0, AGENTS_IN_LINE + (this.further.get(subflow)?.size ?? 0) - MAX_AGENTS);
  }

  /** Forgets a subflow's agents beyond those of its cold line. */
  release(subflow: number): void {
    this.further.delete(subflow);
  }
}
