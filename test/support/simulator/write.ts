// Writes a simulated session as a capture, for people who want to look at one:
//   node dist/test/support/simulator/write.js session.pcap '{"scheduler":"redundant","checksum":true}' 7
// The second word changes fields of USUAL (test/support/simulator/plan.ts says which there are), the third is the seed.
import { writeFileSync } from "node:fs";
import { pcapFile } from "../pcap.ts";
import { GOOD_AGENT, type SessionPlan } from "./plan.ts";
import { simulate } from "./simulation.ts";
import { watch } from "./watch.ts";

/** LINKTYPE_RAW: a packet begins with its IP header. */
const RAW_IP = 101;

const WAY = { ipv6: false, delayMillis: 10, jitterMillis: 0, loss: 0.02, doubled: 0, nat: false };

const USUAL: SessionPlan = {
  version: 1,
  octets: [200_000, 200_000],
  paths: [WAY, { ...WAY, delayMillis: 40 }],
  joins: [{ opener: 0, path: 1, atMillis: 40, backup: false }],
  events: [],
  scheduler: "round-robin",
  mss: 1_400,
  mapping: 5_000,
  mappingOn: "every",
  checksum: false,
  narrowDsn: false,
  narrowAck: false,
  capableData: true,
  finWithData: false,
  timestamps: true,
  wrapTcp: false,
  wrapDsn: false,
  reinjected: 0,
  stripped: "nothing",
  ending: "fin",
  endingBy: 0,
  endingAtMillis: 1_000,
};

const [file, changes = "{}", seed = "1"] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write("usage: write.js FILE [JSON of a plan] [SEED]\n");
  process.exitCode = 2;
} else {
  const plan: SessionPlan = { ...USUAL, ...JSON.parse(changes) };
  const { copies } = watch(simulate([{ plan, beginMillis: 0 }], Number(seed)), [GOOD_AGENT], 1);
  writeFileSync(file, pcapFile(copies, { linkType: RAW_IP, nanoseconds: false, littleEndian: true }));
  process.stdout.write(`${copies.length} packets in ${file}\n`);
}
