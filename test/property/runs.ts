const { REJOIN_PROPERTY_RUNS, REJOIN_PROPERTY_SEED, REJOIN_PROPERTY_PATH, REJOIN_PROPERTY_SHRINK } = process.env;

/**
 * How many simulated sessions a property is tried on, as a share of REJOIN_PROPERTY_RUNS. A failure prints seed and path,
 * which two more variables take; what fails is made smaller only where REJOIN_PROPERTY_SHRINK asks for it, since that
 * takes minutes.
 */
export const settings = (share = 1) => ({
  numRuns: Math.ceil(Number(REJOIN_PROPERTY_RUNS ?? 100) * share),
  endOnFailure: REJOIN_PROPERTY_SHRINK === undefined,
  ...(REJOIN_PROPERTY_SEED === undefined ? {} : { seed: Number(REJOIN_PROPERTY_SEED) }),
  ...(REJOIN_PROPERTY_PATH === undefined ? {} : { path: REJOIN_PROPERTY_PATH }),
});

/** Milliseconds that a property may take. */
export const PATIENCE = 3_600_000;
