import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { command } from "../../collectors/offline/command.ts";
import { REJOIN } from "../e2e/program.ts";
import { Conversation } from "../support/conversation.ts";
import { ip } from "../support/packets.ts";
import { hex, pcapFile } from "../support/pcap.ts";
import { folder, put } from "./files.ts";

/** A session in VXLAN at port 9999, in GRE, as a file of raw IP. */
function tunnelled(): string {
  const packets = new Conversation().open().packets.map(({ octets, atMicros }) => {
    const frame = Buffer.concat([hex("08000000 00004d00 020000000001 020000000002 0800"), octets]);
    const udp = Buffer.concat([hex("c350 270f 0000 0000"), frame]);
    const inside = Buffer.concat([hex("0000 0800"), ip(17, "10.8.0.1", "10.8.0.2", udp)]);
    const packet = ip(47, "10.9.0.1", "10.9.0.2", inside);
    return { atMicros, octets: packet, wire: packet.length };
  });
  return put(folder(), "tunnelled.pcap", pcapFile(packets, { linkType: 101, nanoseconds: false, littleEndian: true }));
}

const sessions = (...options: string[]): number => {
  const { stdout } = spawnSync(process.execPath, [REJOIN, "read", "--json", "--summary", ...options, tunnelled()]);
  return JSON.parse(`${stdout}`).sessions.opened;
};

describe("rejoin read", () => {
  it("reads encapsulations at ports, and to a depth, that it is told", () => {
    expect(sessions("--udp-port", "geneve=1", "--udp-port", "vxlan=9999")).toBe(1);
    expect(sessions("--udp-port", "vxlan=9999", "--tunnel-depth", "2")).toBe(1);
    expect(sessions("--udp-port", "vxlan=9999", "--tunnel-depth", "1")).toBe(0);
    expect(sessions()).toBe(0);
  });

  it.each([
    [["--udp-port", "9999"], /Write one of gre-in-udp, vxlan/],
    [["--udp-port", "vxlan=127.0.0.1:9999"], /Write one of gre-in-udp, vxlan/],
    [["--udp-port", "vxlan=0"], /Write one of gre-in-udp, vxlan/],
    [["--udp-port", "vxlan=4754"], /Port 4754 is read as gre-in-udp anyway/],
    [["--tunnel-depth", "0"], /a whole number from 1 to 16/],
    [["--tunnel-depth", "17"], /a whole number from 1 to 16/],
  ])("refuses %j", (words, line) => {
    const page = command()
      .exitOverride()
      .configureOutput({ writeErr: () => {} });
    expect(() => page.parse([...words, "x.pcap"], { from: "user" })).toThrow(line);
  });
});
