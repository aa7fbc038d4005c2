import type { Command } from "commander";
import type { Override } from "./configuration.ts";

/**
 * What the command line itself says, defaults left out: for each option in `paths`, by commander's name of it, an override
 * of the key that stands there.
 */
export function givenOptions(command: Command, paths: Readonly<Record<string, string>>): Override[] {
  return command.options.flatMap((option) => {
    const name = option.attributeName();
    const path = paths[name];
    if (path === undefined || command.getOptionValueSource(name) !== "cli") return [];
    return [{ path: path.split("."), value: command.getOptionValue(name), from: option.long ?? option.flags }];
  });
}
