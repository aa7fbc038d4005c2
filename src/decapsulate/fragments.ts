import { fateOf } from "../fate.ts";
import type { PacketVector } from "../vector.ts";
import type { Cursor } from "../wire/cursor.ts";
import { FragmentFields, readFragment } from "../wire/fragment.ts";
import { ipv4AddressAt } from "../wire/ipv4.ts";
import { IPV6_HEADER_OCTETS, ipv6AddressAt } from "../wire/ipv6.ts";
import { Datagram } from "./datagram.ts";

/** Packets whose fragments are held, and octets of all of them; the oldest gives way. */
const MAX_DATAGRAMS = 1024;
const MAX_OCTETS = 8 * 1024 * 1024;
/** How long a fragment waits for the others, in packet time (RFC 8200 §4.5). */
const DEADLINE_MICROS = 60_000_000;

const FRAGMENT = fateOf("decapsulate/fragment");
const MALFORMED = fateOf("decapsulate/fragment-malformed");
const OVERLAP = fateOf("decapsulate/fragment-overlap");

/** A packet that was put together out of its fragments. */
export interface WholePacket {
  /** As much of it as copies have; `wire` octets it had. */
  readonly octets: Uint8Array<ArrayBuffer>;
  readonly wire: number;
  /** Who copied its fragments: -1 where the packet itself is to tell. */
  readonly agent: number;
  /** Delivery headers around its fragments. */
  readonly depth: number;
}

/** Holds IP fragments until their packet is whole. */
export class Fragments {
  /** The packet that the newest fragment has completed; whoever takes it sets this to null. */
  whole: WholePacket | null = null;
  /** Packets that were never whole: some fragment did not come in time, or they gave way to others. */
  shed = 0;
  /** Oldest first. */
  private readonly datagrams = new Map<string, Datagram>();
  private readonly fields = new FragmentFields();
  private octets = 0;

  /**
   * Takes packet i, of which the cursor stands where `skipIpv4` or `skipIpv6` found a fragment whose IP header begins at
   * `ipAt`. Fragments of different agents, or of different sources where the agent is not known (-1), are not mixed. Returns
   * the fragment's fate.
   */
  take(
    vector: PacketVector,
    i: number,
    cursor: Cursor,
    family: number,
    ipAt: number,
    agent: number,
    depth: number,
  ): number {
    const { fields } = this;
    const { view, block } = vector;
    const atMicros = vector.atMicros[i]!;
    readFragment(view, cursor, family, ipAt, fields);
    this.expire(atMicros);
    const key = this.keyOf(vector, i, family, ipAt, agent);
    const datagram = this.datagrams.get(key) ?? this.begin(key, family, atMicros);
    if (datagram.isRefused) return OVERLAP;
    const headerEnd = family === 4 ? cursor.at : ipAt + IPV6_HEADER_OCTETS;
    const before = datagram.octets;
    const added = datagram.add(
      fields.offset,
      cursor.wireEnd - fields.dataAt,
      fields.more,
      block.slice(ipAt, headerEnd),
      fields.protocol,
      block.slice(fields.dataAt, cursor.end),
    );
    this.octets += datagram.octets - before;
    if (added === "malformed") return MALFORMED;
    if (added === "overlaps") {
      this.octets -= datagram.octets;
      datagram.refuse();
      return OVERLAP;
    }
    if (added === "complete") {
      this.whole = { ...datagram.whole(), agent, depth };
      this.forget(key, datagram);
    }
    while (this.octets > MAX_OCTETS) this.giveUpOldest();
    return FRAGMENT;
  }

  /** Nothing comes any more. */
  finish(): void {
    while (this.datagrams.size > 0) this.giveUpOldest();
  }

  private begin(key: string, family: number, atMicros: number): Datagram {
    if (this.datagrams.size >= MAX_DATAGRAMS) this.giveUpOldest();
    const datagram = new Datagram(family, atMicros);
    this.datagrams.set(key, datagram);
    return datagram;
  }

  private expire(nowMicros: number): void {
    for (const datagram of this.datagrams.values()) {
      if (nowMicros - datagram.sinceMicros <= DEADLINE_MICROS) return;
      this.giveUpOldest();
    }
  }

  private giveUpOldest(): void {
    const [oldest] = this.datagrams;
    if (oldest === undefined) return;
    // One that was refused is told by its fragments' fates.
    if (!oldest[1].isRefused) this.shed++;
    this.forget(...oldest);
  }

  private forget(key: string, datagram: Datagram): void {
    this.octets -= datagram.octets;
    this.datagrams.delete(key);
  }

  /** What fragments of one packet have in common (RFC 791 §3.2, RFC 8200 §4.5), and who copied them. */
  private keyOf(vector: PacketVector, i: number, family: number, ipAt: number, agent: number): string {
    const [at, octets] = family === 4 ? [ipv4AddressAt(ipAt), 8] : [ipv6AddressAt(ipAt), 32];
    const addresses = String.fromCharCode(...vector.block.subarray(at, at + octets));
    const { identification, protocol } = this.fields;
    const who = agent < 0 ? `source ${vector.source[i]}` : `agent ${agent}`;
    return `${addresses} ${identification} ${family === 4 ? protocol : ""} ${who}`;
  }
}
