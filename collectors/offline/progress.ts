import { grouped, humanOctets } from "../terminal/text.ts";

/** Milliseconds between two drawings: often enough to be smooth, seldom enough to cost nothing. */
const INTERVAL_MS = 200;
const ERASE = "\r\u001b[K";

/** A line on a terminal that tells how far a reading has come, at what rate, and how long it will take yet. */
export class Progress {
  private readonly write: (text: string) => void;
  private readonly total: number | null;
  private readonly nowMs: () => number;
  private readonly beganMs: number;
  private drawnMs = Number.NEGATIVE_INFINITY;
  private visible = false;

  /** `total` is the octets there are to read, null where nobody knows. `nowMs` counts milliseconds from anywhere. */
  constructor(write: (text: string) => void, total: number | null, nowMs: () => number) {
    this.write = write;
    this.total = total;
    this.nowMs = nowMs;
    this.beganMs = nowMs();
  }

  /** Draws the line anew, when it is time to. */
  update(octets: number, packets: number): void {
    const now = this.nowMs();
    if (now - this.drawnMs < INTERVAL_MS) return;
    this.drawnMs = now;
    this.visible = true;
    this.write(ERASE + this.line(octets, packets, (now - this.beganMs) / 1000));
  }

  /** Takes the line away, so that other text can stand there. */
  erase(): void {
    if (this.visible) this.write(ERASE);
    this.visible = false;
    this.drawnMs = Number.NEGATIVE_INFINITY;
  }

  private line(octets: number, packets: number, seconds: number): string {
    const rate = octets / Math.max(seconds, 0.001);
    const packetRate = Math.round(packets / Math.max(seconds, 0.001));
    const speed = `${humanBytes(rate)}/s  ${grouped(packetRate)} packets/s`;
    if (this.total === null || this.total === 0) return `${humanBytes(octets)} read  ${speed}`;
    const part = Math.floor(Math.min(octets / this.total, 1) * 100);
    const left = rate > 0 ? clock((this.total - octets) / rate) : "?";
    return `${part} % of ${humanBytes(this.total)}  ${speed}  ${left} left`;
  }
}

/** As `humanOctets`, with the unit also where there are few. */
function humanBytes(octets: number): string {
  const text = humanOctets(Math.round(octets));
  return text.includes(" ") ? text : `${text} B`;
}

/** Seconds as "0:07" or "1:02:45". */
function clock(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}
