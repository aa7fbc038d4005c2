import type { Comparison } from "./compare.ts";
import { KNOWN } from "./known.ts";

const table = (rows: readonly (readonly (string | number)[])[]): string =>
  rows.map((row) => `| ${row.join(" | ")} |`).join("\n");

/** docs/judged-by-tshark.md: what was compared, and every disagreement with who is right. */
export function page(comparisons: ReadonlyMap<string, Comparison>, version: string): string {
  const counts = [...comparisons].map(([name, { packets, options, groups, tokens, addresses }]) => {
    const kinds = KNOWN.filter(({ captures }) => captures.includes(name)).map(({ about }) => about);
    return [`\`${name}\``, packets, options, groups, tokens, addresses, [...new Set(kinds)].join(", ")];
  });
  const known = KNOWN.map(({ about, captures, library, tshark, right }) => [
    about,
    captures.map((name) => `\`${name}\``).join(", "),
    library,
    tshark,
    right,
  ]);
  return `# Judged by tshark

tshark ${version} and rejoin read the same packets: all recorded captures (both routers together), simulated sessions,
and the hostile ones (\`npm run hostile\`). \`test/judge\` compares what they say; a disagreement that is not listed here makes it fail, and so
does a listed one that is gone. It also writes this page: \`npx vitest run test/judge --update\`.

Compared are, for each packet, the subtypes of its MPTCP options and their fields (version, keys, token, nonce, both
HMACs, backup, data ACK, DSN, subflow sequence number, data-level length, DATA_FIN, reset reason) and, where its octets
were new, their place in the stream (\`mptcp.dsn\`); for each capture the subflows of every session (\`mptcp.stream\`), the
tokens made from keys, and the addresses announced.

tshark verifies neither HMACs nor DSS checksums nor fast close keys, and says nothing where octets differ. Of the hostile
captures it notices the wrong key in the third ACK and the infinite mapping, and shows malformed options as such.

## Captures

| capture | packets | with options | sessions | tokens | addresses | disagreements |
|---|---|---|---|---|---|---|
${table(counts)}

Counts are tshark's.

## Disagreements

| about | captures | rejoin | tshark | who is right |
|---|---|---|---|---|
${table(known)}
`;
}
