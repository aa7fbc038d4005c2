const DAY_SECONDS = 86_400;
/** Years 0000 to 9999, which ISO 8601 writes with four digits; a capture file can state any time, and is held to these. */
const FIRST_MICROS = Date.parse("0000-01-01T00:00:00Z") * 1000;
const LAST_MICROS = Date.parse("9999-12-31T23:59:59Z") * 1000;

/** The day that was asked for last, and its text: nearly all times lie in the same one. */
let lastDay = Number.NaN;
let lastText = "";

/** ISO 8601 in UTC with six digits of a second, from microseconds since 1970. */
export function timeText(micros: number): string {
  const whole = Math.floor(Math.min(Math.max(micros, FIRST_MICROS), LAST_MICROS)) || 0;
  const seconds = Math.floor(whole / 1_000_000);
  const day = Math.floor(seconds / DAY_SECONDS);
  if (day !== lastDay) {
    const text = new Date(day * DAY_SECONDS * 1000).toISOString();
    lastText = text.slice(0, text.indexOf("T") + 1);
    lastDay = day;
  }
  const second = seconds - day * DAY_SECONDS;
  const digits = (value: number, length: number): string => String(value).padStart(length, "0");
  const hour = Math.floor(second / 3600);
  const minute = Math.floor(second / 60) % 60;
  const fraction = digits(whole - seconds * 1_000_000, 6);
  return `${lastText}${digits(hour, 2)}:${digits(minute, 2)}:${digits(second % 60, 2)}.${fraction}Z`;
}
