/** The second that was asked for last, and its text: most times of a record lie in the same one. */
let lastSeconds = Number.NaN;
let lastText = "";

/** ISO 8601 in UTC with six digits of a second, from microseconds since 1970. */
export function timeText(micros: number): string {
  const whole = Math.floor(micros);
  const seconds = Math.floor(whole / 1_000_000);
  if (seconds !== lastSeconds) {
    const date = new Date(seconds * 1000);
    // A capture file can state any time; what a Date cannot hold is shown as its limit.
    const text = (Number.isNaN(date.getTime()) ? new Date(8.64e15) : date).toISOString();
    lastText = text.slice(0, text.lastIndexOf("."));
    lastSeconds = seconds;
  }
  return `${lastText}.${String(whole - seconds * 1_000_000).padStart(6, "0")}Z`;
}
