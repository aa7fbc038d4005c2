import {
  jsonSchemaOfProgram,
  PROGRAMS,
  type ProgramName,
  type SchemaNode,
  variableOf,
} from "../../schema/configuration/programs.ts";
import { expected } from "../../schema/configuration/wording.ts";

const VERBS: Readonly<Record<ProgramName, string>> = {
  collector: "rejoin collect",
  agent: "rejoin agent",
  consumer: "rejoin consume",
};

const HEAD = `# Configuration

*Made of the schemas in \`schema/configuration\` by \`npm run schema\`.*

<!-- not executed: the three ways to name a file; tests do so everywhere -->

    rejoin collect --config collector.yaml
    rejoin agent --config agent.yaml
    rejoin consume --topic rejoin.sessions.v1 --config consumer.yaml

One YAML file for each program has all that can be said to it; the options of the command line are the part of it that is
said often. \`rejoin config defaults collector\` prints a file with every key and its default, \`rejoin config check collector
collector.yaml\` says what is wrong with one, \`rejoin config print collector collector.yaml\` what a program would use.
[Examples](../schema/configuration/examples) begin with a line that shows editors their JSON Schema, which
\`rejoin config schema collector\` prints.

## What wins

Defaults give way to the file, the file to variables of the environment, and these to options of the command line. What is
said of a key replaces the whole of it: a list is not added to.

A key's variable is its path in capitals, after the program's name, with two underscores between keys and one between words:
\`${variableOf("collector", ["sink", "kafka", "brokers"])}\` is \`sink.kafka.brokers\`,
\`${variableOf("collector", ["listen", "receiveBufferMib"])}\` is \`listen.receiveBufferMib\`. Its value is text as
it is where text may stand, and YAML elsewhere: \`[kafka1:9092, kafka2:9092]\`. A variable that begins so and names no key is
refused, as a key in the file is.

Of options that answer one question together, one is the whole answer: \`--listen-udp\`, \`--listen-gre\` and \`--listen-ring\`, \`--agent\` and
\`--any-agent\`, \`--interface\` and \`--replay\`.

## References

In any text of the file or of a variable, \`\${file:/run/secrets/name}\` stands for the content of a file without its last
line end, and \`\${env:NAME}\` for a variable; \`$\${\` is \`\${\` itself. No message and no \`config print\` shows what they stand for.
The file itself and those that it names are regular files, not pipes, of at most 1 MiB.

## Reload

A collector or agent that has \`--config\` reads the file anew on SIGHUP, and the environment and its options over it as at its start. Some
keys it takes over while it runs, as said below; for others a line in the log says that they wait for a restart. Where
something is wrong with the file, a line says what, and all stays as it was.
`;

/** docs/configuration.md, out of the schemas. */
export function configurationPage(): string {
  return `${HEAD}${(Object.keys(PROGRAMS) as ProgramName[]).map(programPart).join("")}`;
}

function programPart(program: ProgramName): string {
  const schema = jsonSchemaOfProgram(program);
  const sections = Object.entries(schema.properties ?? {});
  const top = sections.filter(([, node]) => node.properties === undefined);
  const changeable = PROGRAMS[program].changeable.map((key) => `\`${key}\``).join(", ");
  const told = changeable === "" ? "" : `Taken over on SIGHUP: ${changeable}.\n\n`;
  const title = `\n## ${VERBS[program]}\n\n${told}`;
  const loose = table(top.flatMap(([key, node]) => rows(node, key)));
  const parts = sections
    .filter(([, node]) => node.properties !== undefined)
    .map(([key, node]) => `\n### ${key}\n\n${node.description}.\n\n${table(rows(node, key))}`);
  return `${title}${loose}${parts.join("")}`;
}

function table(lines: readonly string[]): string {
  return `| key | may be | default | |\n|---|---|---|---|\n${lines.join("")}`;
}

/** A row for each key at a node or below it. */
function rows(node: SchemaNode, path: string, required = false): string[] {
  const keys = node.properties;
  if (keys === undefined) {
    const entries = node.items?.properties === undefined ? "" : "a list, see below";
    const value = node.default === undefined ? (required ? "must be said" : "") : `\`${JSON.stringify(node.default)}\``;
    const own = `| \`${path}\` | ${cell(entries || expected(node))} | ${value} | ${cell(node.description ?? "")} |\n`;
    const mapping = node.anyOf?.find(({ properties }) => properties !== undefined);
    if (mapping !== undefined) return [own, ...rows(mapping, path)];
    return node.items?.properties === undefined ? [own] : [own, ...rows(node.items, `${path}[]`)];
  }
  return Object.entries(keys).flatMap(([key, below]) => {
    const head =
      below.properties === undefined || below.description === undefined ? [] : [sectionRow(path, key, below)];
    return [...head, ...rows(below, `${path}.${key}`, node.required?.includes(key))];
  });
}

const sectionRow = (path: string, key: string, { description = "" }: SchemaNode) =>
  `| \`${path}.${key}\` | keys below | | ${cell(description)} |\n`;

const cell = (text: string) => text.replaceAll("|", "\\|");
