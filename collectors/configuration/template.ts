import { stringify } from "yaml";
import { jsonSchemaOfProgram, type ProgramName, type SchemaNode } from "../../schema/configuration/programs.ts";
import { expected } from "../../schema/configuration/wording.ts";

/** Comments are broken at this width. */
const WIDTH = 100;

/** A configuration file that says every default, each key with what it means and what may stand there. */
export function configurationTemplate(program: ProgramName): string {
  const title = `Every key of the ${program}'s configuration with its default. Keep the keys that shall differ.`;
  return `${commented(title, "")}\n${section(jsonSchemaOfProgram(program), "")}`;
}

function section({ properties = {} }: SchemaNode, indent: string): string {
  return Object.entries(properties)
    .map(([key, node]) => {
      const what = node.description ?? "";
      if (node.properties !== undefined) {
        return `${commented(what, indent)}${indent}${key}:\n${section(node, `${indent}  `)}`;
      }
      const value = stringify(node.default, { collectionStyle: "flow" });
      return `${commented(`${what} (${expected(node)})`, indent)}${indent}${key}: ${value}`;
    })
    .join("");
}

function commented(text: string, indent: string): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && indent.length + line.length + word.length < WIDTH) lines[lines.length - 1] += ` ${word}`;
    else lines.push(`# ${word}`);
  }
  return lines.map((line) => `${indent}${line}\n`).join("");
}
