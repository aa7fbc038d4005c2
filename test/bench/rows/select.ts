import { versionsOf } from "../measure.ts";
import { differencesOf, type Row, type RowResult } from "../result.ts";
import { contest, medianOf, noLoss, perPacket, processOf } from "../wire/contest.ts";
import { agent, tcpdump } from "../wire/receivers.ts";
import { missingForWire } from "../wire/wire.ts";

const LOAD = { packets: 200_000, rate: 200_000 };
const AGENT = agent(LOAD);
const TCPDUMP = tcpdump(LOAD);
const TARGET = 1;

/** An agent between packets of which none is MPTCP's, against tcpdump, which takes all of them. */
export const SELECT: Row = {
  name: "select",
  missing: () => missingForWire("tcpdump"),
  run,
};

async function run(): Promise<RowResult> {
  const [rejoin, other] = await contest("select", "plain", [AGENT, TCPDUMP]);
  const ratio = medianOf(rejoin, ({ nanos }) => nanos) / medianOf(other, ({ nanos }) => nanos);
  return {
    row: "select",
    about: "5 times 200,000 packets of plain TCP of 2,500 connections, 200,000 a second over a veth pair; seed 4",
    against: versionsOf("tcpdump"),
    figures: [perPacket(AGENT, rejoin), perPacket(TCPDUMP, other)],
    claims: [
      ...noLoss(AGENT, rejoin),
      { what: "times tcpdump", value: ratio, target: TARGET, process: processOf(AGENT) },
    ],
    differences: differencesOf([
      ["copies sent", 0, rejoin?.taken],
      ["packets that tcpdump lost", 0, other?.lost],
    ]),
  };
}
