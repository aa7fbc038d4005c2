import { spawnSync } from "node:child_process";
import { Agents } from "../../src/decapsulate/agents.ts";
import { Decapsulation } from "../../src/decapsulate/decapsulate.ts";
import { Fragments } from "../../src/decapsulate/fragments.ts";
import { FATE_ALIVE } from "../../src/fate.ts";
import { PacketVector } from "../../src/vector.ts";
import { addressText } from "../../src/wire/address.ts";
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from "../../src/wire/link-type.ts";

/** The innermost segment that a frame holds, or completes where it is a fragment: null where it has none. */
export type Innermost = {
  readonly ends: string;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  /** Octets of payload. */
  readonly length: number;
} | null;

const FIELDS = [
  ...["frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst"],
  ...["tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.len"],
];

/**
 * What tshark finds in each frame of a file: of each field the last there is, which is the innermost. VXLAN is told where Linux
 * has it.
 */
export function byTshark(file: string): Innermost[] {
  const names = FIELDS.flatMap((name) => ["-e", name]);
  const format = ["-T", "fields", "-E", "occurrence=l", "-E", "separator=|"];
  const { status, stdout, stderr } = spawnSync(
    "tshark",
    ["-n", "-d", "udp.port==8472,vxlan", "-r", file, ...format, ...names],
    {
      encoding: "utf8",
      maxBuffer: 2 ** 30,
    },
  );
  if (status !== 0) throw new Error(`tshark: ${stderr}`);
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const [protocols = "", from, to, from6, to6, fromPort, toPort, ...numbers] = line.split("|");
      if (fromPort === "") return null;
      const isIpv6 = protocols.lastIndexOf(":ipv6:") > protocols.lastIndexOf(":ip:");
      const [seq = 0, ack = 0, flags = 0, length = 0] = numbers.map(Number);
      return { ends: `${isIpv6 ? from6 : from} ${fromPort} ${isIpv6 ? to6 : to} ${toPort}`, seq, ack, flags, length };
    });
}

/** What rejoin finds in each of these frames. */
export function byRejoin(frames: readonly Uint8Array[]): Innermost[] {
  const agents = new Agents(null);
  agents.addSource("file");
  const fragments = new Fragments();
  const decapsulation = new Decapsulation(agents, fragments);
  const vector = new PacketVector();
  return frames.map((frame, n) => {
    vector.use(Uint8Array.from(frame));
    vector.add(0, frame.length, frame.length, n, LINKTYPE_ETHERNET, 0);
    decapsulation.process(vector);
    for (let whole = fragments.takeWhole(); whole !== null; whole = fragments.takeWhole()) {
      vector.use(whole.octets);
      vector.add(0, whole.octets.length, whole.wire, n, LINKTYPE_RAW, 0);
      decapsulation.processWhole(vector, whole);
    }
    return vector.fate[0] === FATE_ALIVE ? innermostOf(vector) : null;
  });
}

function innermostOf({ view, addressAt, family, ports, seq, ack, flags, payloadLength }: PacketVector): Innermost {
  const version = family[0] === 6 ? 6 : 4;
  const at = addressAt[0] ?? 0;
  const octets = version === 6 ? 16 : 4;
  const [from, to] = [at, at + octets].map((one) => addressText(view, one, version));
  const both = ports[0] ?? 0;
  return {
    ends: `${from} ${both >>> 16} ${to} ${both & 0xffff}`,
    seq: seq[0] ?? 0,
    ack: ack[0] ?? 0,
    flags: flags[0] ?? 0,
    length: payloadLength[0] ?? 0,
  };
}
