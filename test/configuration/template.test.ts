import { expect, it } from "vitest";
import { parse } from "yaml";
import { configurationTemplate } from "../../collectors/configuration/template.ts";
import { PROGRAMS, type ProgramName } from "../../schema/configuration/programs.ts";

it.each(Object.keys(PROGRAMS) as ProgramName[])(
  "the template of the %s says every default, in 100 columns",
  (program) => {
    const template = configurationTemplate(program);
    expect(parse(template)).toEqual(PROGRAMS[program].schema.parse({}));
    expect(template.split("\n").filter((line) => line.length > 100)).toEqual([]);
  },
);
