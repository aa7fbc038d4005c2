import { versionsOf } from "../measure.ts";
import { differencesOf, type Row, type RowResult } from "../result.ts";
import { accounted, contest, medianOf, missedBy, noLoss, packetsOf, perPacket, processOf } from "../wire/contest.ts";
import { collector } from "../wire/receivers.ts";
import { missingForWire } from "../wire/wire.ts";

const LISTEN = ["--listen-udp", "4754"];
const BY_BATCH = collector("recvmmsg", LISTEN, { packets: 300_000, rate: 300_000 });
/** As many as it takes without loss. */
const ONE_BY_ONE = collector("node:dgram", LISTEN, { packets: 50_000, rate: 50_000, koffi: false });

/** The whole collector, which takes GRE-in-UDP in batches, against the same without koffi. */
export const UDP: Row = {
  name: "udp",
  missing: () => missingForWire(),
  run,
};

async function run(): Promise<RowResult> {
  const [batch, single] = await contest("udp", "udp", [BY_BATCH, ONE_BY_ONE]);
  const userOf =
    ({ packets }: { packets: number }) =>
    (turn: { cpu: { user: number } }) =>
      turn.cpu.user / packets;
  const ratio = medianOf(batch, userOf(BY_BATCH)) / medianOf(single, userOf(ONE_BY_ONE));
  return {
    row: "udp",
    about:
      "copies of 92 octets in UDP from 1,000 live sessions over a veth pair: 5 times 300,000 at 300,000 a second by " +
      "recvmmsg, 5 times 50,000 at 50,000 a second by node:dgram; records to nowhere; seed 4",
    against: versionsOf("node"),
    figures: [perPacket(BY_BATCH, batch), perPacket(ONE_BY_ONE, single), missedBy(ONE_BY_ONE, single)],
    claims: [
      ...noLoss(BY_BATCH, batch),
      {
        ...{ what: "quarters of node:dgram's user time per packet", value: 4 * ratio, target: 1 },
        process: processOf(BY_BATCH),
      },
    ],
    differences: differencesOf([["packets taken or lost", packetsOf(BY_BATCH), accounted(batch)]]),
  };
}
