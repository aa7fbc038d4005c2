import { ENCAPSULATIONS } from "../../schema/encapsulation.ts";
import { fateOf } from "../fate.ts";
import type { AgentLedger, AgentRule, TableUse } from "../pipeline-contract.ts";
import { addressText } from "../wire/address.ts";
import type { DeliveryFields } from "../wire/delivery-fields.ts";
import { prepareRules, type Rule, ruleFor } from "./agent-rules.ts";
import { RateBound } from "./rate-bound.ts";
import { StreamLedger } from "./stream-ledger.ts";

/**
 * Streams told apart, and inputs; a further one is refused with the fate `agent-table-full`. Streams of one rule have an
 * equal share of them, so that somebody who sends in the name of one agent with ever other keys shuts no other out.
 */
const MAX_AGENTS = 1024;
/** Look-ups remembered, refused senders too, so that a flood from one of them costs no search. */
const LOOKUP_SLOTS = 4096;

const UNKNOWN = fateOf("decapsulate/agent-unknown");
const TABLE_FULL = fateOf("decapsulate/agent-table-full");

const NO_FIELDS = { address: null, key: null, encapsulation: null };

/** A place where packets are copied. */
interface Agent {
  readonly name: string;
  readonly stream: StreamLedger;
  /** Where the same device mirrors packets as they leave it: a place of its own, -1 while none came from there. */
  egress: number;
}

/**
 * Everybody who copies packets: the inputs themselves, and senders by outer address, key and encapsulation. A sender is
 * found by a direct-mapped table of the last look-ups, else among the agents.
 */
export class Agents {
  private rules: readonly Rule[] | null;
  private packetsPerSecond: number | null;
  private readonly agents: Agent[] = [];
  private readonly ofSources: number[] = [];
  /** Bounds of addresses that no rule names; at most one for each agent. */
  private readonly bounds = new Map<string, RateBound>();
  /**
   * Per slot: four address words, key and whether there is one, the rest of what tells senders apart, agent + 1 or 0 for an
   * empty slot.
   */
  private readonly lookup = new Float64Array(LOOKUP_SLOTS * 8);
  /** The same of IPv4 senders of GRE that have a key and are not refused: address, key, agent + 1, encapsulation. */
  private readonly usual = new Int32Array(LOOKUP_SLOTS * 4);

  /** The last sender that was refused because no rule names it. */
  stranger: { readonly address: string; readonly key: number | null } | null = null;

  /**
   * @param packetsPerSecond taken of one agent; null: any number
   * Throws a RangeError when a rule's address is not one: rules are checked where they are read.
   */
  constructor(rules: readonly AgentRule[] | null, packetsPerSecond: number | null = null) {
    this.rules = rules === null ? null : prepareRules(rules, packetsPerSecond);
    this.packetsPerSecond = packetsPerSecond;
  }

  /**
   * Takes other rules, for every packet from now on. Ledgers go on where a stream keeps its name, and stand still where no
   * rule lets it in any more. Throws as the constructor does, and changes nothing then.
   */
  changeRules(rules: readonly AgentRule[] | null, packetsPerSecond: number | null): void {
    const prepared = rules === null ? null : prepareRules(rules, packetsPerSecond);
    for (const rule of prepared ?? []) {
      rule.streams = this.agents.filter(
        ({ name, stream }) => name === rule.name && stream.names.address !== null,
      ).length;
    }
    this.rules = prepared;
    this.packetsPerSecond = packetsPerSecond;
    this.bounds.clear();
    this.lookup.fill(0);
    this.usual.fill(0);
  }

  /** Adds an input that copies packets itself; returns its number. */
  addSource(name: string): number {
    this.ofSources.push(this.add(name, new StreamLedger({ name, ...NO_FIELDS }, null)));
    return this.ofSources.length - 1;
  }

  /** The agent of an input's own copies. */
  ofSource(source: number): number {
    return this.ofSources[source] ?? 0;
  }

  /** The agent with this outer address and these delivery fields, or the negated fate of a packet that is refused. */
  ofSender(view: DataView, addressAt: number, family: number, fields: DeliveryFields): number {
    const { key, encapsulation, isEgress } = fields;
    const a = view.getUint32(addressAt);
    const b = family === 6 ? view.getUint32(addressAt + 4) : 0;
    const c = family === 6 ? view.getUint32(addressAt + 8) : 0;
    const d = family === 6 ? view.getUint32(addressAt + 12) : 0;
    const kind = family | (encapsulation << 3) | (isEgress ? 0x80 : 0);
    const mixed = Math.imul(
      a ^ Math.imul(b, 31) ^ Math.imul(c, 961) ^ d ^ Math.imul(key ^ kind, 0x9e3779b1),
      0x85ebca6b,
    );
    const slot = (mixed >>> 20) * 8;
    const lookup = this.lookup;
    if (
      lookup[slot] === a &&
      lookup[slot + 1] === b &&
      lookup[slot + 2] === c &&
      lookup[slot + 3] === d &&
      lookup[slot + 4] === key &&
      lookup[slot + 5] === kind
    ) {
      const found = lookup[slot + 6]!;
      if (family === 4 && key >= 0 && found >= 0 && fields.isGre)
        this.usual.set([a, key, found + 1, encapsulation], slotOf(a, key));
      return found;
    }
    const inward = this.find(family, [a, b, c, d], addressText(view, addressAt, family), key, encapsulation);
    const found = isEgress && inward >= 0 ? this.egressOf(inward) : inward;
    lookup.set([a, b, c, d, key, kind, found], slot);
    return found;
  }

  /**
   * As `ofSender`, of an IPv4 sender of GRE with a key, both as signed words, which need no allocation; -1 when it must be
   * asked.
   */
  ofUsualSender(address: number, key: number, encapsulation: number): number {
    const usual = this.usual;
    const slot = slotOf(address, key);
    const isKnown = usual[slot] === address && usual[slot + 1] === key && usual[slot + 3] === encapsulation;
    return isKnown ? usual[slot + 2]! - 1 : -1;
  }

  /** The ledger of the stream that an agent's copies come in. */
  stream(agent: number): StreamLedger {
    return this.agents[agent]!.stream;
  }

  /** The name that records give an agent. */
  name(agent: number): string {
    return this.agents[agent]?.name ?? "unknown";
  }

  /**
   * Copies of these agents' streams found to be lost from one moment of packet time to another, by name; those that lost none
   * are left out.
   */
  lostBetween(agents: readonly number[], fromMicros: number, toMicros: number): Map<string, number> {
    const lost = new Map<string, number>();
    for (const stream of new Set(agents.map((agent) => this.stream(agent)))) {
      const copies = stream.lostBetween(fromMicros, toMicros);
      if (copies > 0) lost.set(stream.names.name, (lost.get(stream.names.name) ?? 0) + copies);
    }
    return lost;
  }

  /** Each stream's ledger since the start; those of which nothing came are left out. */
  ledgers(): AgentLedger[] {
    return [...new Set(this.agents.map(({ stream }) => stream))].flatMap((stream) => stream.ledger() ?? []);
  }

  /** Names that rules let in, and of which nothing has come since the start, each once. */
  silent(): string[] {
    const heard = new Set(this.ledgers().map(({ name }) => name));
    return [...new Set(this.rules?.map(({ name }) => name))].filter((name) => !heard.has(name));
  }

  /** Streams told apart, and inputs. */
  get use(): TableUse {
    return { used: this.agents.length, bound: MAX_AGENTS };
  }

  private find(
    family: number,
    words: readonly number[],
    address: string,
    keyWord: number,
    encapsulation: number,
  ): number {
    const key = keyWord < 0 ? null : keyWord;
    const rule = this.rules === null ? undefined : ruleFor(this.rules, family, words, key, encapsulation);
    if (this.rules !== null && rule === undefined) {
      this.stranger = { address, key };
      return -UNKNOWN;
    }
    const kind = ENCAPSULATIONS[encapsulation] ?? "gre";
    const name = rule?.name ?? (key === null ? address : `${address}#${key}`);
    const known = this.agents.findIndex(({ stream: { names } }) => {
      return names.address === address && names.key === key && names.encapsulation === kind && names.name === name;
    });
    const stream = this.agents[known]?.stream;
    if (stream !== undefined) {
      // Another one where rules have changed.
      stream.bound = rule === undefined ? this.boundOf(address) : rule.bound;
      return known;
    }
    if (this.agents.length >= MAX_AGENTS) return -TABLE_FULL;
    if (rule !== undefined) {
      const share = Math.max(1, Math.floor(MAX_AGENTS / (this.rules?.length ?? 1)));
      if (rule.streams >= share) return -TABLE_FULL;
      rule.streams++;
    }
    const bound = rule === undefined ? this.boundOf(address) : rule.bound;
    return this.add(name, new StreamLedger({ name, address, key, encapsulation: kind }, bound));
  }

  /** The place at which an agent's device mirrors what leaves it; itself where there is no room for another. */
  private egressOf(agent: number): number {
    const inward = this.agents[agent]!;
    if (inward.egress < 0 && this.agents.length >= MAX_AGENTS) return agent;
    if (inward.egress < 0) inward.egress = this.add(`${inward.name}/egress`, inward.stream);
    return inward.egress;
  }

  private boundOf(address: string): RateBound | null {
    if (this.packetsPerSecond === null) return null;
    const bound = this.bounds.get(address) ?? new RateBound(this.packetsPerSecond);
    this.bounds.set(address, bound);
    return bound;
  }

  private add(name: string, stream: StreamLedger): number {
    this.agents.push({ name, stream, egress: -1 });
    return this.agents.length - 1;
  }
}

/** Where in `usual` a sender would stand. */
function slotOf(address: number, key: number): number {
  return (Math.imul(address ^ Math.imul(key, 0x9e3779b1), 0x85ebca6b) >>> 20) * 4;
}
