import type { Exclusions } from "../../src/encapsulate/exclusions.ts";
import { type FlowSieve, SIEVE_BITS } from "../../src/encapsulate/flow-sieve.ts";
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from "../../src/wire/ethernet.ts";
import { IPV4_FRAGMENT, IPV4_PROTOCOL, PROTOCOL_TCP } from "../../src/wire/ipv4.ts";
import { IPV6_HEADER_OCTETS, IPV6_NEXT_HEADER } from "../../src/wire/ipv6.ts";
import type { AddressRange } from "../../src/wire/network.ts";
import { FIN, OPTION_MPTCP, RST, SYN, USUAL_OPTIONS } from "../../src/wire/tcp.ts";
import * as bpf from "./classic-bpf.ts";

const ETHERTYPE_VLAN = 0x8100;
const ETHERTYPE_PROVIDER_VLAN = 0x88a8;
/** IPv6 headers that stand before others (RFC 8200 §4.1): hop-by-hop, routing, authentication, destination, mobility. */
const EXTENSION_HEADERS: readonly number[] = [0, 43, 51, 60, 135];
/** Options looked at, NOPs included. Who has more in front of an MPTCP one is let pass: user space sees for itself. */
const MAX_OPTIONS = 12;
/** Scratch memory: folded addresses, an interim result, X while it is needed, where the options end. */
const ADDRESSES = 0;
const INTERIM = 1;
const KEPT_X = 2;
const OPTIONS_END = 3;

/** What a filter is made of. */
export interface FlowFilterOptions {
  /** What packets begin with. */
  readonly link: "ethernet" | "ip";
  readonly exclusions: Exclusions;
  /** Octets of a packet that the kernel hands over. */
  readonly snap: number;
  /** Flows whose every packet passes. */
  readonly sieve: FlowSieve;
  /** Bits of the sieve that are used, 5 to 15; 0: every TCP packet that is not excluded passes. */
  readonly bits: number;
}

/**
 * A program of classic BPF for a packet socket, which lets pass what may be selected: TCP segments with an MPTCP option,
 * SYNs, FINs and RSTs, and whatever belongs to a flow of the sieve. Fragments and all that is not TCP stay in the kernel;
 * what the program cannot judge (IPv6 extension headers, many options) passes. Null when it would be too long.
 */
export function flowFilter(options: FlowFilterOptions): Uint8Array<ArrayBuffer> | null {
  return new FlowFilter(options).program();
}

class FlowFilter {
  private readonly options: FlowFilterOptions;
  private readonly code = new bpf.BpfAssembler();
  private readonly pass = Symbol("pass");
  private readonly refuse = Symbol("refuse");

  constructor(options: FlowFilterOptions) {
    this.options = options;
  }

  program(): Uint8Array<ArrayBuffer> | null {
    const { code: p, pass, refuse } = this;
    const ipv4 = Symbol("ipv4");
    const ipv6 = Symbol("ipv6");
    const tcp = Symbol("tcp");
    this.linkLayer(ipv4, ipv6);
    p.place(ipv4);
    this.ipv4();
    p.goto(tcp);
    p.place(ipv6);
    this.ipv6();
    p.place(tcp);
    this.tcp();
    p.place(pass);
    p.add(bpf.RETURN, this.options.snap);
    p.place(refuse);
    p.add(bpf.RETURN, 0);
    return p.assemble();
  }

  /** Goes to `ipv4` or `ipv6` with X where the IP header begins. Tags that the kernel took off are not there. */
  private linkLayer(ipv4: bpf.Label, ipv6: bpf.Label): void {
    const { code: p, refuse } = this;
    if (this.options.link === "ip") {
      p.add(bpf.LDX_NUMBER, 0);
      p.add(bpf.LD_OCTET_AT_X, 0);
      p.add(bpf.RSH_NUMBER, 4);
      p.test(bpf.JUMP_EQUAL, 4, ipv4);
      p.test(bpf.JUMP_EQUAL, 6, ipv6, refuse);
      return;
    }
    for (const header of [14, 18, 22]) {
      const tagged = Symbol("tagged");
      p.add(bpf.LDX_NUMBER, header);
      p.add(bpf.LD_HALF, header - 2);
      p.test(bpf.JUMP_EQUAL, ETHERTYPE_IPV4, ipv4);
      p.test(bpf.JUMP_EQUAL, ETHERTYPE_IPV6, ipv6);
      if (header < 22) {
        p.test(bpf.JUMP_EQUAL, ETHERTYPE_VLAN, tagged);
        p.test(bpf.JUMP_EQUAL, ETHERTYPE_PROVIDER_VLAN, tagged, refuse);
        p.place(tagged);
      }
    }
    p.goto(refuse);
  }

  private ipv4(): void {
    const { code: p, refuse } = this;
    p.add(bpf.LD_OCTET_AT_X, IPV4_PROTOCOL);
    p.test(bpf.JUMP_EQUAL, PROTOCOL_TCP, null, refuse);
    p.add(bpf.LD_HALF_AT_X, IPV4_FRAGMENT);
    p.test(bpf.JUMP_ANY_BIT, 0x3fff, refuse);
    this.addresses(4, 12);
    p.add(bpf.LD_OCTET_AT_X, 0);
    p.add(bpf.AND_NUMBER, 0x0f);
    p.add(bpf.LSH_NUMBER, 2);
    p.add(bpf.ADD_X);
    p.add(bpf.TAX);
  }

  private ipv6(): void {
    const { code: p, pass, refuse } = this;
    const tcp = Symbol("tcp over ipv6");
    this.excludeAddresses(6, 8);
    p.add(bpf.LD_OCTET_AT_X, IPV6_NEXT_HEADER);
    p.test(bpf.JUMP_EQUAL, PROTOCOL_TCP, tcp);
    for (const header of EXTENSION_HEADERS) p.test(bpf.JUMP_EQUAL, header, pass);
    p.goto(refuse);
    p.place(tcp);
    this.foldAddresses(6, 8);
    p.add(bpf.TXA);
    p.add(bpf.ADD_NUMBER, IPV6_HEADER_OCTETS);
    p.add(bpf.TAX);
  }

  private addresses(family: 4 | 6, at: number): void {
    this.excludeAddresses(family, at);
    this.foldAddresses(family, at);
  }

  private excludeAddresses(family: 4 | 6, at: number): void {
    const { ranges, pairs } = this.options.exclusions;
    const other = at + (family === 4 ? 4 : 16);
    for (const range of ranges) {
      for (const address of [at, other]) this.unlessInside([[range, address]], family);
    }
    for (const [a, b] of pairs) {
      for (const [one, two] of [
        [a, b],
        [b, a],
      ] as const)
        this.unlessInside(
          [
            [one, at],
            [two, other],
          ],
          family,
        );
    }
  }

  /** Refuses a packet whose addresses at these places lie inside these ranges, all of them. */
  private unlessInside(places: readonly (readonly [AddressRange, number])[], family: 4 | 6): void {
    const { code: p, refuse } = this;
    if (places.some(([range]) => range.family !== family)) return;
    const outside = Symbol("outside");
    for (const [range, at] of places) {
      for (let k = 0; k < 4; k++) {
        const mask = range.masks[k] ?? 0;
        if (mask === 0) continue;
        p.add(bpf.LD_WORD_AT_X, at + k * 4);
        p.add(bpf.AND_NUMBER, mask);
        p.test(bpf.JUMP_EQUAL, range.words[k] ?? 0, null, outside);
      }
    }
    p.goto(refuse);
    p.place(outside);
  }

  /** Leaves all words of both addresses, XORed, in scratch memory. */
  private foldAddresses(family: 4 | 6, at: number): void {
    const { code: p } = this;
    const words = family === 4 ? 2 : 8;
    p.add(bpf.STX_MEMORY, KEPT_X);
    for (let k = 0; k < words; k++) {
      p.add(bpf.LD_WORD_AT_X, at + k * 4);
      if (k > 0) {
        p.add(bpf.LDX_MEMORY, ADDRESSES);
        p.add(bpf.XOR_X);
        p.add(bpf.LDX_MEMORY, KEPT_X);
      }
      p.add(bpf.ST_MEMORY, ADDRESSES);
    }
  }

  /** With X where the TCP header begins. */
  private tcp(): void {
    const { code: p, pass, refuse } = this;
    const without = Symbol("without an option");
    for (const { first, last } of this.options.exclusions.ports) {
      for (const at of [0, 2]) {
        const outside = Symbol("other port");
        p.add(bpf.LD_HALF_AT_X, at);
        p.test(bpf.JUMP_LEAST, first, null, outside);
        p.test(bpf.JUMP_ABOVE, last, outside, refuse);
        p.place(outside);
      }
    }
    if (this.options.bits === 0) {
      p.goto(pass);
      return;
    }
    p.add(bpf.LD_OCTET_AT_X, 13);
    p.test(bpf.JUMP_ANY_BIT, SYN | FIN | RST, pass);
    // Both ports, added, so that both directions have one sum.
    p.add(bpf.LD_HALF_AT_X, 0);
    p.add(bpf.ST_MEMORY, INTERIM);
    p.add(bpf.LD_HALF_AT_X, 2);
    p.add(bpf.STX_MEMORY, KEPT_X);
    p.add(bpf.LDX_MEMORY, INTERIM);
    p.add(bpf.ADD_X);
    p.add(bpf.ST_MEMORY, INTERIM);
    p.add(bpf.LDX_MEMORY, KEPT_X);
    this.tcpOptions(without);
    p.place(without);
    this.sieve();
  }

  /** Passes a segment with an MPTCP option. X is where the TCP header begins. */
  private tcpOptions(without: bpf.Label): void {
    const { code: p, pass } = this;
    const unusual = Symbol("other options first");
    const walk = Symbol("walk");
    p.add(bpf.LD_OCTET_AT_X, 12);
    p.add(bpf.RSH_NUMBER, 4);
    p.test(bpf.JUMP_ABOVE, 5, null, without);
    p.add(bpf.LSH_NUMBER, 2);
    p.add(bpf.ADD_X);
    p.add(bpf.ST_MEMORY, OPTIONS_END);
    p.add(bpf.LD_WORD_AT_X, 20);
    p.test(bpf.JUMP_EQUAL, USUAL_OPTIONS, null, unusual);
    p.add(bpf.TXA);
    p.add(bpf.ADD_NUMBER, 32);
    p.goto(walk);
    p.place(unusual);
    p.add(bpf.TXA);
    p.add(bpf.ADD_NUMBER, 20);
    p.place(walk);
    for (let n = 0; n < MAX_OPTIONS; n++) {
      const next = Symbol("next option");
      const longer = Symbol("not a NOP");
      p.add(bpf.TAX);
      p.add(bpf.LD_MEMORY, OPTIONS_END);
      p.test(bpf.JUMP_ABOVE_X, 0, null, without);
      p.add(bpf.LD_OCTET_AT_X, 0);
      p.test(bpf.JUMP_EQUAL, OPTION_MPTCP, pass);
      p.test(bpf.JUMP_EQUAL, 0, without);
      p.test(bpf.JUMP_EQUAL, 1, null, longer);
      p.add(bpf.TXA);
      p.add(bpf.ADD_NUMBER, 1);
      p.goto(next);
      p.place(longer);
      p.add(bpf.LD_OCTET_AT_X, 1);
      p.test(bpf.JUMP_LEAST, 2, null, without);
      p.add(bpf.ADD_X);
      p.place(next);
    }
    p.goto(pass);
  }

  /** Passes a segment whose flow may be in the sieve, by the hash of `FlowSieve.bucketOf`. */
  private sieve(): void {
    const { code: p, pass, refuse } = this;
    const { sieve, bits } = this.options;
    const buckets = sieve.buckets(bits);
    if (buckets.every((word) => word === 0)) {
      p.goto(refuse);
      return;
    }
    const { addresses, ports, mixed } = sieve.factors;
    p.add(bpf.LD_MEMORY, INTERIM);
    p.add(bpf.MUL_NUMBER, ports);
    p.add(bpf.TAX);
    p.add(bpf.LD_MEMORY, ADDRESSES);
    p.add(bpf.MUL_NUMBER, addresses);
    p.add(bpf.ADD_X);
    p.add(bpf.TAX);
    p.add(bpf.RSH_NUMBER, 16);
    p.add(bpf.XOR_X);
    p.add(bpf.MUL_NUMBER, mixed);
    p.add(bpf.RSH_NUMBER, 32 - bits);
    p.add(bpf.ST_MEMORY, INTERIM);
    p.add(bpf.AND_NUMBER, 31);
    p.add(bpf.TAX);
    p.add(bpf.LD_MEMORY, INTERIM);
    p.add(bpf.RSH_NUMBER, 5);
    const bit = Symbol("bit");
    this.bucketWord(buckets, 0, buckets.length, bit);
    p.place(bit);
    p.add(bpf.RSH_X);
    p.test(bpf.JUMP_ANY_BIT, 1, pass, refuse);
  }

  /** Finds word A of those from `from` to `to` by halving, and goes to `bit` with it. What is empty needs no look. */
  private bucketWord(words: Uint32Array, from: number, to: number, bit: bpf.Label): void {
    const { code: p, refuse } = this;
    if (words.subarray(from, to).every((word) => word === 0)) {
      p.goto(refuse);
      return;
    }
    if (to - from === 1) {
      p.add(bpf.LD_NUMBER, words[from] ?? 0);
      p.goto(bit);
      return;
    }
    const half = (to - from) / 2;
    const upper = Symbol("upper half");
    p.test(bpf.JUMP_ANY_BIT, half, upper);
    this.bucketWord(words, from, from + half, bit);
    p.place(upper);
    this.bucketWord(words, from + half, to, bit);
  }
}

/** The bits of a sieve to try, when the kernel has no room for a program of more (net.core.optmem_max). */
export const FEWER_BITS: readonly number[] = [SIEVE_BITS, 13, 11, 9, 0];
