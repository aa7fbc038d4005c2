import { createInterface } from "node:readline";
import { FAILED, loadLibc } from "../../../collectors/linux/libc.ts";
import { halvesOf, MessageHeaders, mapped } from "../../../collectors/linux/message-headers.ts";
import { AF_INET, SOCK_DGRAM, socketAddress } from "../../../collectors/linux/socket-address.ts";
import { LiveSessions } from "../live/live-sessions.ts";
import { Pieces } from "../pieces.ts";
import { coprimeStride, Random } from "../random.ts";
import { playSessions } from "../traffic.ts";
import { type FrameKind, FrameStore, SLOT_OCTETS } from "../wire/frames.ts";

/** What is sent, and where: frames out of an interface, or datagrams to an address. */
export interface SendWorkload {
  readonly kind: FrameKind;
  readonly interfaceName: string;
  readonly address: string;
  readonly port: number;
  readonly packets: number;
  readonly sessions: number;
  /** Sessions end, after so many packets of each subflow; null: they send as long as there is room. */
  readonly packetsPerSubflow: number | null;
  readonly seed: number;
}

/** Sends packets [from, to), so many a second. */
export interface Portion {
  readonly from: number;
  readonly to: number;
  readonly rate: number;
}

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOL_PACKET = 263;
const PACKET_QDISC_BYPASS = 20;
const BATCH = 64;
const LONGEST_PAUSE_MS = 0.5;

const workload = JSON.parse(process.argv[2] ?? "") as SendWorkload;
const libc = await loadLibc();
const memory = mapped(libc, workload.packets * SLOT_OCTETS);
const base = halvesOf(memory.address);
const random = new Random(workload.seed);
const frames = new FrameStore(workload.kind, memory.buffer, new Pieces(random));

/**
 * Sessions from their first packets to their last; or handshakes of all sessions, then rounds in which each subflow sends
 * once, until there is no more room.
 */
function generate(): void {
  const { packetsPerSubflow } = workload;
  if (packetsPerSubflow !== null) {
    playSessions({ ...workload, packetsPerSubflow }, random, frames);
    return;
  }
  const live = new LiveSessions({ sessions: workload.sessions, subflows: null, holes: 0 }, random);
  for (let session = 0; session < workload.sessions; session++) live.setUp(session, frames);
  for (let round = 0; !frames.isFull; round++) {
    const stride = coprimeStride(live.subflows, random);
    let at = random.below(live.subflows);
    for (let i = 0; i < live.subflows; i++) {
      live.send(at, round, frames);
      at = (at + stride) % live.subflows;
    }
  }
}

function openSocket(): number {
  const { kind, address, port, interfaceName } = workload;
  if (kind === "udp") {
    const fd = libc.socket(AF_INET, SOCK_DGRAM, 0);
    const to = socketAddress(libc, address, port) ?? new Uint8Array(0);
    if (libc.connect(fd, to, to.length) === FAILED) throw new Error(`connect ${libc.errorName()}`);
    return fd;
  }
  const fd = libc.socket(AF_PACKET, SOCK_RAW, 0);
  const link = new Uint8Array(20);
  new Uint16Array(link.buffer)[0] = AF_PACKET;
  new Int32Array(link.buffer)[1] = libc.interfaceIndex(interfaceName);
  if (libc.bind(fd, link, link.length) === FAILED) throw new Error(`bind ${libc.errorName()}`);
  libc.setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, new Uint8Array(Int32Array.of(1).buffer), 4);
  return fd;
}

const headers = new MessageHeaders(libc, BATCH);
const headersAddress = headers.address(0);
const sleeping = new Int32Array(new SharedArrayBuffer(4));

/** Returns the seconds it took. What the kernel does not take at once is tried again. */
function send(fd: number, { from, to, rate }: Portion): number {
  const begun = performance.now();
  for (let next = from; next < to; ) {
    const due = from + Math.floor(((performance.now() - begun) / 1000) * rate);
    const count = Math.min(BATCH, Math.min(due, to) - next);
    if (count < BATCH && next + count < to) {
      Atomics.wait(sleeping, 0, 0, Math.min(LONGEST_PAUSE_MS, ((BATCH - count) / rate) * 1000));
      continue;
    }
    for (let i = 0; i < count; i++)
      headers.point(i, base, (next + i) * SLOT_OCTETS + frames.begin, frames.lengths[next + i] ?? 0);
    const sent = libc.sendmmsg(fd, headersAddress, count, 0);
    if (sent !== FAILED) next += sent;
    else if (!["EAGAIN", "ENOBUFS", "EINTR", "ECONNREFUSED"].includes(libc.errorName()))
      throw new Error(`sendmmsg ${libc.errorName()}`);
  }
  return (performance.now() - begun) / 1000;
}

generate();
const fd = openSocket();
process.stdout.write(`{"packets":${frames.packets}}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`{"seconds":${send(fd, JSON.parse(line) as Portion)}}\n`);
}
