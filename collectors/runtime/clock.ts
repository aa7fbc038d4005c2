/** The wall clock may be set; a difference above this is followed at once, a smaller one is the clock's resolution. */
const STEP_MICROS = 50_000;

let offsetMicros = Date.now() * 1000 - performance.now() * 1000;

/** Microseconds since 1970: the wall clock's time with the resolution of the monotonic one. */
export function nowMicros(): number {
  const monotonic = performance.now() * 1000;
  const wall = Date.now() * 1000;
  if (Math.abs(wall - monotonic - offsetMicros) > STEP_MICROS) offsetMicros = wall - monotonic;
  return Math.floor(monotonic + offsetMicros);
}
