const { REJOIN_PROPERTY_RUNS, REJOIN_PROPERTY_SEED, REJOIN_PROPERTY_PATH, REJOIN_PROPERTY_SHRINK } = process.env;

/** Where no other seed is asked for: a build tries the same inputs as the one before, and what fails is the change's fault. */
export const USUAL_SEED = 684_826;

/** The seed of all properties of this run, and of the fuzz test (seed.ts has drawn it where it was to be random). */
export const SEED = Number(REJOIN_PROPERTY_SEED ?? USUAL_SEED);

/**
 * How many simulated sessions a property is tried on, as a share of REJOIN_PROPERTY_RUNS. A failure prints seed and path,
 * which two more variables take; what fails is made smaller only where REJOIN_PROPERTY_SHRINK asks for it, since that
 * takes minutes.
 */
export const settings = (share = 1) => ({
  numRuns: Math.ceil(Number(REJOIN_PROPERTY_RUNS ?? 100) * share),
  endOnFailure: REJOIN_PROPERTY_SHRINK === undefined,
  ...(REJOIN_PROPERTY_PATH === undefined ? {} : { path: REJOIN_PROPERTY_PATH }),
});

/** Milliseconds that a property may take. */
export const PATIENCE = 3_600_000;
