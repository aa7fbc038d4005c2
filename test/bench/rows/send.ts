import { differencesOf, type Row, type RowResult } from "../result.ts";
import { contest, medianOf, noLoss, packetsOf, processOf } from "../wire/contest.ts";
import { agent } from "../wire/receivers.ts";
import { missingForWire } from "../wire/wire.ts";

const AGENT = agent({ packets: 200_000, rate: 200_000 });
const MOST_MICROS = 1.5;

/** An agent that sends a copy of each packet: what arrives by ring, is selected, and leaves by sendmmsg. */
export const SEND: Row = {
  name: "send",
  missing: () => missingForWire(),
  run,
};

async function run(): Promise<RowResult> {
  const [agentRun] = await contest("send", "mptcp", [AGENT]);
  return {
    row: "send",
    about:
      "5 times 200,000 packets of 1,000 live sessions, 80 octets of each, 200,000 a second over a veth pair: taken from the ring, " +
      "selected, and sent as GRE-in-UDP over another one; seed 4",
    against: [],
    figures: [
      {
        what: "of it in user space",
        value: medianOf(agentRun, ({ cpu }) => (cpu.user * 1e6) / AGENT.packets),
        unit: "µs per packet",
      },
    ],
    claims: [
      ...noLoss(AGENT, agentRun),
      {
        what: "µs per packet, kernel included",
        value: medianOf(agentRun, ({ nanos }) => nanos / 1000),
        target: MOST_MICROS,
        process: processOf(AGENT),
      },
    ],
    differences: differencesOf([["copies sent", packetsOf(AGENT) - (agentRun?.lost ?? 0), agentRun?.taken]]),
  };
}
