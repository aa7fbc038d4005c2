import { METRICS as OF_AGENT } from "../../collectors/agent/metrics.ts";
import { METRICS } from "../../collectors/central/metrics.ts";
import { FATES } from "../../src/fate.ts";

const HEAD = `# Metrics and health

*Made of \`collectors/central/metrics.ts\` and \`collectors/agent/metrics.ts\` by \`npm run schema\`.*

A collector whose configuration has \`admin.listen\` answers there over HTTP:

    admin: { listen: 9464 }

| path | answers |
|---|---|
| \`/livez\` | 200 while the event loop turns |
| \`/startupz\` | 200 once sockets are open and records have a place: the sink, or an outbox on the disk though the sink is away; 503 before |
| \`/readyz\` | 200 while sockets are open and at most 80 % of the outbox is taken; 503 while it starts, while it drains, and when the sink is away for so long that records would soon be shed |
| \`/metrics\` | what follows, in the text format of Prometheus; asks for \`Authorization: Bearer\` where \`admin.token\` is set |
| \`/debug/sessions\` | live sessions, 100 at a time: ends, octets, subflows, agents. \`?limit=\` up to 1,000; \`?from=\` what the page before says as \`next\` |
| \`/debug/agents\` | each agent's loss ledger, with the same two parameters |
| \`/debug/totals\` | all that is counted since the start, and how full tables and outbox are |

What stands below \`/debug/\` is JSON, and has no MPTCP key, token, nonce or HMAC, nor payload. It is told on loopback, or to who has
\`admin.token\`; anybody else has 401, or 403 where there is no token. [\`rejoin top\`](operations.md#a-look-at-a-running-collector)
shows it in a terminal.

The first line of a health page is yes or no, the others say why. A port alone is one of 127.0.0.1. Probes of Kubernetes and a
Prometheus on another host need an address they reach, such as \`"0.0.0.0:9464"\`; then set a token, by reference to a file:
\`token: "\${file:/run/secrets/metrics-token}"\`.

What labels can be is bounded: lists of the code, sockets, and agents as the configuration names them. All other senders
together are the agent \`(unnamed)\`.

An agent with \`admin.listen\` in its configuration answers \`/livez\`, \`/readyz\` (503 while nobody listens at any of its collectors)
and \`/metrics\` in the same way; what it tells is [further down](#of-an-agents-work).

## Of the collector's work

`;

const AGENT = `
## Of an agent's work

`;

const PROCESS = `
## Of the process

| metric | what it counts |
|---|---|
| \`rejoin_build_info\` | 1, with \`version\` and \`node\` as labels |
| \`nodejs_eventloop_lag_p99_seconds\` and its like | how long the event loop was held up |
| \`nodejs_gc_duration_seconds\` | pauses of the garbage collector, by \`kind\` |
| \`nodejs_heap_size_used_bytes\`, \`nodejs_external_memory_bytes\`, \`process_resident_memory_bytes\` | memory |
| \`process_cpu_seconds_total\`, \`process_open_fds\`, \`process_max_fds\` | what the process takes |

## What becomes of packets

Each packet counts once in \`rejoin_packets_total\`; the sum over all labels is what came in.

| stage | reason | meaning |
|---|---|---|
`;

interface Described {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

function table(metrics: readonly Described[]): string {
  const rows = metrics.map(({ name, type, labels, help }) => {
    return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |\n`;
  });
  return `| metric | type | labels | what it counts |\n|---|---|---|---|\n${rows.join("")}`;
}

/** docs/metrics.md, out of the code. */
export function metricsPage(): string {
  const fates = FATES.filter(({ reason }) => reason !== "alive").map(
    ({ stage, reason, meaning }) => `| ${stage} | ${reason} | ${meaning} |\n`,
  );
  return `${HEAD}${table(METRICS)}${AGENT}${table(OF_AGENT)}${PROCESS}${fates.join("")}`;
}
