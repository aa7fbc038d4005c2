import { fateOf } from "../fate.ts";
import type { AgentLedger, AgentRule } from "../pipeline-contract.ts";
import type { PacketVector } from "../vector.ts";
import { addressText, parseAddress } from "../wire/address.ts";
import { SequenceLedger } from "./sequence-ledger.ts";

/**
 * Senders told apart, and inputs; a further one is refused with the fate `agent-table-full`. Senders of one rule have an
 * equal share of them, so that somebody who sends in the name of one agent with ever other keys shuts no other out.
 */
const MAX_AGENTS = 1024;
/** Look-ups remembered, refused senders too, so that a flood from one of them costs no search. */
const LOOKUP_SLOTS = 4096;

const UNKNOWN = fateOf("decapsulate/agent-unknown");
const TABLE_FULL = fateOf("decapsulate/agent-table-full");

interface Agent {
  readonly name: string;
  readonly address: string | null;
  readonly key: number | null;
  packets: number;
  octets: number;
  firstMicros: number;
  lastMicros: number;
  readonly sequence: SequenceLedger;
}

/** A rule whose address is text no more. */
interface Rule {
  readonly name: string;
  readonly address: ReturnType<typeof parseAddress>;
  readonly key: number | null;
  /** How many were told apart so far. */
  senders: number;
}

/**
 * Everybody who copies packets: the inputs themselves, and senders of GRE by outer address and key. Keeps each one's
 * loss ledger. A sender is found by a direct-mapped table of its last look-ups, else among the agents.
 */
export class Agents {
  private readonly rules: readonly Rule[] | null;
  private readonly agents: Agent[] = [];
  private readonly ofSources: number[] = [];
  /** Per slot: four address words, key as a word and whether there is one, family, agent + 1 or 0 for an empty slot. */
  private readonly lookup = new Float64Array(LOOKUP_SLOTS * 8);
  /** The same of IPv4 senders that have a key and are not refused: address, key, agent + 1. */
  private readonly usual = new Int32Array(LOOKUP_SLOTS * 4);

  /** The last sender that was refused because no rule names it. */
  stranger: { readonly address: string; readonly key: number | null } | null = null;

  /** Throws a RangeError when a rule's address is not one: rules are checked where they are read. */
  constructor(rules: readonly AgentRule[] | null) {
    this.rules =
      rules?.map(({ name, address, key }) => {
        const parsed = address === null ? null : parseAddress(address);
        if (address !== null && parsed === null) throw new RangeError(`agent ${name}: ${address} is not an IP address`);
        return { name, address: parsed, key, senders: 0 };
      }) ?? null;
  }

  /** Adds an input that copies packets itself; returns its number. */
  addSource(name: string): number {
    this.ofSources.push(this.add(name, null, null));
    return this.ofSources.length - 1;
  }

  /** The agent of an input's own copies. */
  ofSource(source: number): number {
    return this.ofSources[source] ?? 0;
  }

  /** The agent with this outer address and key (-1: none), or the negated fate of a packet that is refused. */
  ofSender(view: DataView, addressAt: number, family: number, key: number): number {
    const a = view.getUint32(addressAt);
    const b = family === 6 ? view.getUint32(addressAt + 4) : 0;
    const c = family === 6 ? view.getUint32(addressAt + 8) : 0;
    const d = family === 6 ? view.getUint32(addressAt + 12) : 0;
    const mixed = Math.imul(a ^ Math.imul(b, 31) ^ Math.imul(c, 961) ^ d ^ Math.imul(key, 0x9e3779b1), 0x85ebca6b);
    const slot = (mixed >>> 20) * 8;
    const lookup = this.lookup;
    if (
      lookup[slot] === a &&
      lookup[slot + 1] === b &&
      lookup[slot + 2] === c &&
      lookup[slot + 3] === d &&
      lookup[slot + 4] === key &&
      lookup[slot + 5] === family
    ) {
      const found = lookup[slot + 6]!;
      if (family === 4 && key >= 0 && found >= 0) this.usual.set([a, key, found + 1], slotOf(a, key));
      return found;
    }
    const found = this.find(family, [a, b, c, d], addressText(view, addressAt, family), key < 0 ? null : key);
    lookup.set([a, b, c, d, key, family, found], slot);
    return found;
  }

  /** As `ofSender`, of an IPv4 sender with a key, both as signed words, which need no allocation; -1 when it must be asked. */
  ofUsualSender(address: number, key: number): number {
    const usual = this.usual;
    const slot = slotOf(address, key);
    return usual[slot] === address && usual[slot + 1] === key ? usual[slot + 2]! - 1 : -1;
  }

  /**
   * Adds packet i to an agent's ledger; `sequence` is -1 where the header had none. Takes its time out of the vector: a
   * fraction that is handed on costs an allocation.
   */
  count(agent: number, sequence: number, octets: number, vector: PacketVector, i: number): void {
    const entry = this.agents[agent];
    if (entry === undefined) return;
    const atMicros = vector.atMicros[i]!;
    entry.packets++;
    entry.octets += octets;
    if (entry.firstMicros < 0) entry.firstMicros = atMicros;
    entry.lastMicros = atMicros;
    if (sequence >= 0) entry.sequence.count(sequence);
  }

  /** The name that records give an agent. */
  name(agent: number): string {
    return this.agents[agent]?.name ?? "unknown";
  }

  /** Each agent's ledger since the start; agents of which nothing came are left out. */
  ledgers(): AgentLedger[] {
    return this.agents
      .filter((agent) => agent.packets > 0)
      .map(({ sequence, ...agent }) => {
        const { lost, late, duplicate, restarted } = sequence;
        return { ...agent, lost, late, duplicate, restarted };
      });
  }

  private find(family: number, words: readonly number[], address: string, key: number | null): number {
    const rule = this.rules?.find(
      (rule) =>
        (rule.key === null || rule.key === key) &&
        (rule.address === null ||
          (rule.address.family === family && rule.address.words.every((word, i) => word === words[i]))),
    );
    if (this.rules !== null && rule === undefined) {
      this.stranger = { address, key };
      return -UNKNOWN;
    }
    const known = this.agents.findIndex((agent) => agent.address === address && agent.key === key);
    if (known >= 0) return known;
    if (this.agents.length >= MAX_AGENTS) return -TABLE_FULL;
    if (rule !== undefined) {
      const share = Math.max(1, Math.floor(MAX_AGENTS / (this.rules?.length ?? 1)));
      if (rule.senders >= share) return -TABLE_FULL;
      rule.senders++;
    }
    return this.add(rule?.name ?? (key === null ? address : `${address}#${key}`), address, key);
  }

  private add(name: string, address: string | null, key: number | null): number {
    const zero = { packets: 0, octets: 0, firstMicros: -1, lastMicros: -1 };
    this.agents.push({ name, address, key, ...zero, sequence: new SequenceLedger() });
    return this.agents.length - 1;
  }
}

/** Where in `usual` a sender would stand. */
function slotOf(address: number, key: number): number {
  return (Math.imul(address ^ Math.imul(key, 0x9e3779b1), 0x85ebca6b) >>> 20) * 4;
}
