import { closeSync, openSync, writeSync } from "node:fs";
import { SEGMENT_OCTETS } from "./conversation.ts";
import type { Random } from "./random.ts";

/** Payload pieces to draw from: their checksums are known beforehand, so a full packet costs no more than its copy. */
const PIECES = 64;
const BUFFER_OCTETS = 8 << 20;
const RECORD_HEADER = 16;
const ETHERNET = 14;
const IPV4 = 20;
const GRE = 12;
const TCP = 20;
/** Octets before the TCP options: 86. */
const HEADERS = ETHERNET + IPV4 + GRE + IPV4 + TCP;
/** 2026-01-01T00:00:00Z. */
const EPOCH_SECONDS = 1_767_225_600;
const COLLECTOR = 0xac1f0064;

/** A TCP segment to write; one object is used again for every packet. */
export interface Segment {
  agent: number;
  sourceAddress: number;
  destinationAddress: number;
  sourcePort: number;
  destinationPort: number;
  ipId: number;
  seq: number;
  ack: number;
  flags: number;
  /** TCP options, `optionsLength` octets of them, a multiple of 4. */
  readonly options: Uint8Array;
  readonly optionsView: DataView;
  optionsLength: number;
  /** Which piece of payload to carry; -1 for none. */
  piece: number;
}

/** Writes segments as agents' GRE copies (RFC 2890 key and sequence number) on Ethernet into a pcap file, in order of time. */
export class PacketWriter {
  /** Packets written, by agent. */
  readonly packets: [number, number] = [0, 0];
  /** Payload octets that the snap length cut off. */
  cutOctets = 0;
  private readonly file: number;
  private readonly snap: number;
  private readonly microsPerPacket: number;
  private readonly buffer = new Uint8Array(BUFFER_OCTETS);
  private readonly view = new DataView(this.buffer.buffer);
  private readonly pieces: Uint8Array[] = [];
  private readonly pieceSums: number[] = [];
  private used = 0;
  private written = 0;

  /** `snap`: octets of each packet to keep. Throws where the file cannot be made. */
  constructor(path: string, snap: number, microsPerPacket: number, random: Random) {
    this.snap = snap;
    this.microsPerPacket = microsPerPacket;
    this.file = openSync(path, "w");
    for (let i = 0; i < PIECES; i++) {
      const piece = random.octets(SEGMENT_OCTETS);
      this.pieces.push(piece);
      this.pieceSums.push(sum16(new DataView(piece.buffer), 0, SEGMENT_OCTETS));
    }
    const header = [0xa1b2c3d4, 0x00040002, 0, 0, snap, 1];
    header.forEach((word, i) => {
      this.view.setUint32(4 * i, word, true);
    });
    this.used = 4 * header.length;
  }

  /** Microseconds since the first packet, of the packet that is written next. */
  get micros(): number {
    return (this.packets[0] + this.packets[1]) * this.microsPerPacket;
  }

  /** The pieces' octets, to make out what a stream holds. */
  piece(index: number): Uint8Array {
    return this.pieces[index % PIECES] ?? new Uint8Array(0);
  }

  write(segment: Segment): void {
    const payload = segment.piece < 0 ? 0 : SEGMENT_OCTETS;
    const headers = HEADERS + segment.optionsLength;
    const wire = headers + payload;
    const captured = Math.min(wire, this.snap);
    this.cutOctets += wire - captured;
    if (this.used + RECORD_HEADER + wire > BUFFER_OCTETS) this.flush();
    const { view, buffer } = this;
    const micros = this.micros;
    const start = this.used;
    view.setUint32(start, EPOCH_SECONDS + Math.floor(micros / 1e6), true);
    view.setUint32(start + 4, micros % 1e6, true);
    view.setUint32(start + 8, captured, true);
    view.setUint32(start + 12, wire, true);

    const ethernet = start + RECORD_HEADER;
    view.setUint32(ethernet, 0x02000000);
    view.setUint32(ethernet + 4, 0x00640200);
    view.setUint32(ethernet + 8, segment.agent + 1);
    view.setUint16(ethernet + 12, 0x0800);

    const outer = ethernet + ETHERNET;
    const number = this.packets[segment.agent === 0 ? 0 : 1]++;
    this.ipv4(outer, wire - ETHERNET, number & 0xffff, 47, 0xac1f000b + segment.agent, COLLECTOR);
    const gre = outer + IPV4;
    view.setUint32(gre, 0x30000800);
    view.setUint32(gre + 4, segment.agent + 1);
    view.setUint32(gre + 8, number);

    const inner = gre + GRE;
    const tcpOctets = TCP + segment.optionsLength + payload;
    this.ipv4(inner, IPV4 + tcpOctets, segment.ipId, 6, segment.sourceAddress, segment.destinationAddress);
    const tcp = inner + IPV4;
    view.setUint16(tcp, segment.sourcePort);
    view.setUint16(tcp + 2, segment.destinationPort);
    view.setUint32(tcp + 4, segment.seq);
    view.setUint32(tcp + 8, segment.ack);
    view.setUint16(tcp + 12, ((TCP + segment.optionsLength) << 10) | segment.flags);
    view.setUint16(tcp + 14, 0xffff);
    view.setUint32(tcp + 16, 0);
    for (let i = 0; i < segment.optionsLength; i++) buffer[tcp + TCP + i] = segment.options[i] ?? 0;
    // The pseudo-header, RFC 9293 section 3.1: both addresses, the protocol and the length of header and payload.
    const pseudo = sum16(view, inner + 12, 8) + 6 + tcpOctets;
    const payloadSum = segment.piece < 0 ? 0 : (this.pieceSums[segment.piece % PIECES] ?? 0);
    view.setUint16(tcp + 16, checksum(pseudo + sum16(view, tcp, TCP + segment.optionsLength) + payloadSum));

    if (captured > headers) buffer.set(this.piece(segment.piece).subarray(0, captured - headers), ethernet + headers);
    this.used = ethernet + captured;
  }

  /** Octets of the finished file. */
  close(): number {
    this.flush();
    closeSync(this.file);
    return this.written;
  }

  private flush(): void {
    let done = 0;
    while (done < this.used) done += writeSync(this.file, this.buffer, done, this.used - done);
    this.written += this.used;
    this.used = 0;
  }

  private ipv4(at: number, length: number, id: number, protocol: number, source: number, destination: number): void {
    const { view } = this;
    view.setUint16(at, 0x4500);
    view.setUint16(at + 2, length);
    view.setUint16(at + 4, id);
    view.setUint16(at + 6, 0x4000);
    view.setUint16(at + 8, (64 << 8) | protocol);
    view.setUint16(at + 10, 0);
    view.setUint32(at + 12, source);
    view.setUint32(at + 16, destination);
    view.setUint16(at + 10, checksum(sum16(view, at, IPV4)));
  }
}

/** Sum of 16-bit words; `length` is even. */
function sum16(view: DataView, at: number, length: number): number {
  let sum = 0;
  for (let i = at; i < at + length; i += 2) sum += view.getUint16(i);
  return sum;
}

/** RFC 1071: folds a sum of 16-bit words and inverts it. */
function checksum(sum: number): number {
  let folded = (sum & 0xffff) + (sum >>> 16);
  folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}
