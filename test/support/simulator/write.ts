// Writes a simulated session as a capture, for people who want to look at one:
//   node dist/test/support/simulator/write.js session.pcap '{"scheduler":"redundant","checksum":true}' 7
// The second word changes fields of WORTH_A_LOOK (test/support/simulator/plan.ts says which there are), the third is the seed.
import { writeFileSync } from "node:fs";
import { pcapFile } from "../pcap.ts";
import { GOOD_AGENT, type SessionPlan, USUAL_PATH, USUAL_PLAN } from "./plan.ts";
import { simulate } from "./simulation.ts";
import { watch } from "./watch.ts";

/** LINKTYPE_RAW: a packet begins with its IP header. */
const RAW_IP = 101;

const LOSSY = { ...USUAL_PATH, loss: 0.02 };

/** Longer than USUAL_PLAN, with losses and mappings of several segments: more to look at. */
const WORTH_A_LOOK: SessionPlan = {
  ...USUAL_PLAN,
  octets: [200_000, 200_000],
  paths: [LOSSY, { ...LOSSY, delayMillis: 40 }],
  joins: [{ opener: 0, path: 1, atMillis: 40, backup: false }],
  mapping: 5_000,
  capableData: true,
  endingAtMillis: 1_000,
};

const [file, changes = "{}", seed = "1"] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write("usage: write.js FILE [JSON of a plan] [SEED]\n");
  process.exitCode = 2;
} else {
  const plan: SessionPlan = { ...WORTH_A_LOOK, ...JSON.parse(changes) };
  const { copies } = watch(simulate([{ plan, beginMillis: 0 }], Number(seed)), [GOOD_AGENT], 1);
  writeFileSync(file, pcapFile(copies, { linkType: RAW_IP, nanoseconds: false, littleEndian: true }));
  process.stdout.write(`${copies.length} packets in ${file}\n`);
}
