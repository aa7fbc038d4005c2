import { readFileSync } from "node:fs";

const PERFORMANCE = new URL("../../docs/performance.md", import.meta.url);

/** A figure of docs/performance.md: the number in the row with this label of the section of a bench's row. */
function figure(row: string, label: string): number {
  const section = readFileSync(PERFORMANCE, "utf8").split(`\n## ${row}\n`)[1]?.split("\n## ", 1)[0] ?? "";
  const line = section.split("\n").find((one) => one.startsWith(`| ${label} |`));
  const value = Number(line?.split("|")[2]?.trim().replaceAll(",", ""));
  if (!(value > 0)) throw new Error(`docs/performance.md has no figure "${label}" in its section ${row}`);
  return value;
}

/** Two digits that count: what more there is moves from one run to the next. */
const rough = (value: number): string => Number(value.toPrecision(2)).toLocaleString("en-US");

/** docs/sizing.md, out of what the bench measured last. */
export function sizingPage(): string {
  const ring = figure("ring", "packet ring");
  const udp = figure("udp", "recvmmsg");
  const perSecond = (ns: number) => rough(1e9 / ns);
  const session =
    figure("memory", "V8's heap") +
    figure("memory", "arrays that grow") +
    figure("memory", "tables, whose memory is taken as they fill, and the rest");
  const many = figure("million", "1,000,000 sessions") / figure("million", "10,000 sessions");
  const streams = (figure("streams", "streams in order") / 1_500_000) * 1e9;
  const select = figure("select", "rejoin agent");
  return `# Sizing

*Made of [performance.md](performance.md) by \`npm run schema\`: figures of the machine that is named there, of one processor.
\`npm run bench\` has those of yours.*

## A collector

One core takes packets, finds their sessions and makes records; a second one encodes nothing but carries outbox and sink where that is
reached over a network. More cores do not help one collector; several collectors share sessions
([router.md](router.md#several-collectors)).

| what | takes | so that one core has at most |
|---|---:|---:|
| a packet by packet ring, of 1,000 sessions (\`ring\`) | ${rough(ring)} ns | ${perSecond(ring)} a second |
| a packet by UDP socket (\`udp\`) | ${rough(udp)} ns | ${perSecond(udp)} a second |
| a packet of 1,446 octets whose streams are put in order, \`records.streams\`, read from a file (\`streams\`) | ${rough(streams)} ns | ${perSecond(streams)} a second |
| the same packet of 1,000,000 live sessions in place of 10,000 (\`million\`) | ${rough(many)} times as much | |
| a session's handshakes and its end (\`setup\`, \`million\`) | ${rough(figure("million", "10,000 sessions, handshakes"))} µs | ${rough(1e6 / figure("million", "10,000 sessions, handshakes"))} a second |
| a live session of 2.5 subflows (\`memory\`) | ${rough(session)} octets | |

Take a third of that for a day's peak: traffic comes in bursts, and a socket's queue holds a tenth of a second or so. The copies of a
link count as packets do: a link of 1 Gbit/s that is full of whole packets, of which all belong to MPTCP, is ${rough(1e9 / 8 / 1538)} packets a
second. \`sample\`, \`exclude\`, \`snap\` and \`headersOnly\` of agents make it less.

- **Memory**: 120 MiB for the process (\`grep VmRSS /proc/PID/status\` of one that has put the demo's sessions together says 108), the
  sessions as above, 16 MiB for each socket or ring. Tables at their bounds
  (262,144 sessions and 1,048,576 subflows: [bounds.md](bounds.md)) are what a limit of memory has to leave room for.
- **Disk**: what comes while the sink is away. A session has three records or more, one with \`records.revisions: ended\`; this prints how
  many octets of JSON the last ones of the demo have, MessagePack is a fifth less:

\`\`\`sh
npx rejoin read --json collectors/demo/captures/*.pcap.gz | jq -s 'map(tojson | length) | add / length | floor'
\`\`\`

  Sessions a second, times records, times octets, times the longest outage is \`outbox.diskMib\`. With \`records.streams\` the octets of
  the sessions themselves come to it.
- **Network**: copies in, records out. A copy is its packet and 36 to 60 octets of headers.
- **Kafka**: \`sink.kafka.producers\` and partitions share what one does not carry; records of one session stay in order.

## An agent

| what | takes |
|---|---:|
| a packet that is no MPTCP: the kernel's filter keeps it (\`select\`) | ${rough(select)} ns of the agent's |
| a copy by ring and UDP, the agent's own part (\`send\`) | ${rough(figure("send", "of it in user space"))} µs |

What the kernel does to send comes to it, about as much again. \`limits\` bounds bandwidth and processor; beyond them copies are
left out and counted ([router.md](router.md#what-it-may-take)).

- **Memory**: 90 MiB with one interface; 16 MiB more for each other one's ring, and up to 8 MiB of queue for each collector.
- **Network**: as many octets as are copied, and headers. Give the way to the collector a path of its own, or a DSCP (\`dscp\`).

## Looking at it

\`rejoin top\` shows packets a second, how full tables are and what waits; \`rate(process_cpu_seconds_total[5m])\` near 1 is a core that is
full, and [RejoinCopiesDropped](operations.md#rejoincopiesdropped) says what to do then.
`;
}
