import { packageOf } from "../measure.ts";
import { differencesOf, type Row, type RowResult } from "../result.ts";
import { accounted, contest, medianOf, missedBy, noLoss, packetsOf, perPacket, processOf } from "../wire/contest.ts";
import { collector } from "../wire/receivers.ts";
import { INTERFACE, missingForWire } from "../wire/wire.ts";

const BY_RING = collector("packet ring", ["--listen-ring", INTERFACE, "--ring-drop"], {
  packets: 400_000,
  rate: 400_000,
});
/** As many as it takes without loss. */
const BY_SOCKET = collector("raw-socket", ["--listen-gre", "0.0.0.0"], { packets: 40_000, rate: 40_000 });

/** The whole collector behind a packet ring, against the same behind a raw socket. */
export const RING: Row = {
  name: "ring",
  missing: () => missingForWire("nft", "raw-socket"),
  run,
};

async function run(): Promise<RowResult> {
  const [ring, socket] = await contest("ring", "gre", [BY_RING, BY_SOCKET]);
  const ratio = medianOf(ring, ({ nanos }) => nanos) / medianOf(socket, ({ nanos }) => nanos);
  return {
    row: "ring",
    about:
      "copies of 112 octets in GRE from 1,000 live sessions over a veth pair: 5 times 400,000 at 400,000 a second by packet " +
      "ring, nft dropping them behind it; 5 times 40,000 at 40,000 a second by raw socket; records to nowhere; seed 4",
    against: [packageOf("raw-socket")],
    figures: [perPacket(BY_RING, ring), perPacket(BY_SOCKET, socket), missedBy(BY_SOCKET, socket)],
    claims: [
      ...noLoss(BY_RING, ring),
      {
        ...{ what: "twelfths of the raw socket's time per packet", value: 12 * ratio, target: 1 },
        process: processOf(BY_RING),
      },
    ],
    differences: differencesOf([["packets taken or lost", packetsOf(BY_RING), accounted(ring)]]),
  };
}
