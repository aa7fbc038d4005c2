const IDLE_TIMERS = "TimeoutNegativeWarning";
let isQuiet = false;

/**
 * Has this thread say nothing of timers of less than no time, which newer versions of Node warn of on standard error: kafkajs
 * sets one whenever a connection has nothing to do. Other warnings stay.
 */
export function quietIdleTimers(): void {
  if (isQuiet) return;
  isQuiet = true;
  const emitWarning = process.emitWarning.bind(process) as (...args: unknown[]) => void;
  process.emitWarning = (...args: unknown[]): void => {
    if (args[1] !== IDLE_TIMERS) emitWarning(...args);
  };
}
