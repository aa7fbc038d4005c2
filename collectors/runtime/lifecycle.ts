import { constants } from "node:os";

/**
 * Resolves with the name of the first SIGTERM or SIGINT. After that a second one ends the process at once, with the
 * status a shell expects of it (128 and the signal's number).
 */
export function endSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let first = true;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (!first) process.exit(128 + constants.signals[signal]);
        first = false;
        resolve(signal);
      });
    }
  });
}
