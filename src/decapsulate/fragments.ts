import { fateOf } from "../fate.ts";
import { PacketClock } from "../packet-clock.ts";
import type { TableUse } from "../pipeline-contract.ts";
import type { PacketVector } from "../vector.ts";
import type { Cursor } from "../wire/cursor.ts";
import { FragmentFields, readFragment } from "../wire/fragment.ts";
import { ipv4AddressAt } from "../wire/ipv4.ts";
import { IPV6_HEADER_OCTETS, ipv6AddressAt } from "../wire/ipv6.ts";
import { isTransportSound } from "../wire/transport-checksum.ts";
import { type Added, Datagram, isMalformed, type Piece } from "./datagram.ts";

/** Packets whose fragments are held, and memory of all of them; the oldest gives way. */
const MAX_DATAGRAMS = 1024;
const MAX_OCTETS = 8 * 1024 * 1024;
/**
 * How long a fragment waits for the others, in packet time. RFC 8200 §4.5 waits for a minute; but IPv4 has 65,536
 * identifications, and what is left over of one packet must not get into the next that has its own (RFC 4963).
 */
const DEADLINE_MICROS = 5_000_000;

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
  /** Packets that were never whole: some fragment did not come in time, was another packet's, or they gave way to others. */
  shed = 0;
  private whole: WholePacket | null = null;
  /** Oldest first; those that are done stay, so that what comes again of them begins nothing. */
  private readonly datagrams = new Map<string, Datagram>();
  private readonly clock = new PacketClock();
  private readonly fields = new FragmentFields();
  private octets = 0;

  /** Whether the newest fragment has completed its packet, which `takeWhole` gives. */
  get hasWhole(): boolean {
    return this.whole !== null;
  }

  /** The packet that the newest fragment has completed, once; else null. */
  takeWhole(): WholePacket | null {
    const { whole } = this;
    this.whole = null;
    return whole;
  }

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
    const nowMicros = this.clock.read(vector.atMicros[i]!);
    readFragment(view, cursor, family, ipAt, fields);
    this.expire(nowMicros);
    const headerEnd = family === 4 ? cursor.at : ipAt + IPV6_HEADER_OCTETS;
    const { offset, dataAt, more, protocol } = fields;
    const octets = block.slice(dataAt, cursor.end);
    const piece = { start: offset, end: offset + cursor.wireEnd - dataAt, more, octets };
    if (isMalformed(piece, headerEnd - ipAt)) return MALFORMED;
    const header = offset === 0 ? block.slice(ipAt, headerEnd) : octets;
    const key = this.keyOf(vector, i, family, ipAt, agent);
    const datagram = this.datagrams.get(key) ?? this.begin(key, family, nowMicros);
    if (datagram.isRefused) return OVERLAP;
    const { added, completed } = this.add(datagram, piece, header, protocol);
    switch (added) {
      case "malformed":
        return MALFORMED;
      case "overlaps":
        this.octets -= octetsOf(datagram);
        datagram.refuse();
        return OVERLAP;
      case "other":
        if (datagram.isDone) {
          this.forget(key, datagram);
          this.add(this.begin(key, family, nowMicros), piece, header, protocol);
        }
        break;
      default:
    }
    this.deliver(key, datagram, completed, agent, depth);
    while (this.octets > MAX_OCTETS) this.giveUpOldest();
    return FRAGMENT;
  }

  /** Packets of which fragments are held. */
  get use(): TableUse {
    return { used: this.datagrams.size, bound: MAX_DATAGRAMS };
  }

  /** Nothing comes any more. */
  finish(): void {
    while (this.datagrams.size > 0) this.giveUpOldest();
  }

  /**
   * Adds a piece to a packet, and to its rival: to begin one, where it came in the place of another piece. Returns what it did
   * to the packet, and which of the two it completed, the packet first.
   */
  private add(
    datagram: Datagram,
    piece: Piece,
    header: Uint8Array,
    protocol: number,
  ): { readonly added: Added; readonly completed: readonly Datagram[] } {
    const before = octetsOf(datagram);
    const added = datagram.add(piece, header, protocol);
    const completed = added === "complete" ? [datagram] : [];
    if (added === "other" && !datagram.isDone) datagram.rival ??= new Datagram(datagram.family, datagram.sinceMicros);
    const ofRival = datagram.rival?.add(piece, header, protocol);
    if (ofRival === "complete" && datagram.rival !== null) completed.push(datagram.rival);
    if (ofRival === "other") {
      this.shed++;
      datagram.rival = new Datagram(datagram.family, datagram.sinceMicros);
      datagram.rival.add(piece, header, protocol);
    }
    this.octets += octetsOf(datagram) - before;
    return { added, completed };
  }

  /**
   * Hands on what was `completed` of a packet and its rival, where the checksum does not say that the pieces are two packets'
   * (RFC 4963). Of two that could be, the one that came first, as a receiver keeps it; that with the newer pieces where none
   * has a checksum.
   */
  private deliver(key: string, datagram: Datagram, completed: readonly Datagram[], agent: number, depth: number): void {
    const { rival } = datagram;
    for (const one of completed) {
      const whole = one.whole();
      const isSound = isTransportSound(whole.octets, whole.wire) ?? one === (rival ?? datagram);
      if (!isSound) continue;
      this.whole = { ...whole, agent, depth };
      // The one before lacked something; a rival that does was perhaps a packet's.
      if (one === rival || rival?.isComplete === false) this.shed++;
      this.octets += one.octets - octetsOf(datagram);
      one.isDone = true;
      one.rival = null;
      this.datagrams.set(key, one);
      return;
    }
  }

  private begin(key: string, family: number, nowMicros: number): Datagram {
    if (this.datagrams.size >= MAX_DATAGRAMS) this.giveUpOldest();
    const datagram = new Datagram(family, nowMicros);
    this.datagrams.set(key, datagram);
    return datagram;
  }

  private expire(nowMicros: number): void {
    for (const datagram of this.datagrams.values()) {
      if (Math.abs(nowMicros - datagram.sinceMicros) <= DEADLINE_MICROS) return;
      this.giveUpOldest();
    }
  }

  private giveUpOldest(): void {
    const [oldest] = this.datagrams;
    if (oldest !== undefined) this.forget(...oldest);
  }

  private forget(key: string, datagram: Datagram): void {
    // One that was refused is told by its fragments' fates.
    if (!datagram.isRefused && !datagram.isDone) this.shed += datagram.rival === null ? 1 : 2;
    this.octets -= octetsOf(datagram);
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

/** Memory that a packet takes, with its rival. */
const octetsOf = ({ octets, rival }: Datagram): number => octets + (rival?.octets ?? 0);
