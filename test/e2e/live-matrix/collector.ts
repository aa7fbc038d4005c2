import { createInterface } from "node:readline";
import { pino } from "pino";
import { startCollector } from "../../../collectors/central/collector.ts";
import { COLLECTOR_DEFAULTS } from "../../../collectors/central/collector-contract.ts";
import { ASSIGNED_PORTS, UDP_ENCAPSULATIONS } from "../../../schema/encapsulation.ts";
import { deliveryTo } from "../../support/delivery.ts";
import { RecordedSessions } from "../../support/recorded-sessions.ts";

// A collector with all its sockets, begun anew for each line of standard input: at "start" it says "started", at any other
// line it stops, and prints its records and counts as a line of JSON.

const listenUdp = UDP_ENCAPSULATIONS.map((encapsulation) => ({
  ...{ host: null, port: ASSIGNED_PORTS[encapsulation], encapsulation },
}));
const config = {
  ...COLLECTOR_DEFAULTS,
  ...({ listenUdp, listenGre: [4, 6], agents: null, revisions: "ended", receiveOctets: 2 ** 18 } as const),
};

let sink = new RecordedSessions();
let running: Awaited<ReturnType<typeof startCollector>> | null = null;
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "start") {
    sink = new RecordedSessions();
    running = await startCollector(config, deliveryTo(sink), pino({ level: "silent" }));
    process.stdout.write("started\n");
  } else {
    const { totals, agents, sources } = (await running?.stop()) ?? {};
    process.stdout.write(`${JSON.stringify({ records: sink.records, packets: totals?.packets, agents, sources })}\n`);
  }
}
