import type { Command } from "commander";

/** The page that `--help` prints on a terminal of 80 columns. */
export function helpOf(command: Command): string {
  let page = "";
  command
    .configureOutput({
      getOutHelpWidth: () => 80,
      writeOut: (text) => {
        page += text;
      },
    })
    .outputHelp();
  return page;
}
