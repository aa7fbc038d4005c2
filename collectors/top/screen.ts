import type { ReadStream, WriteStream } from "node:tty";

/** The terminal's other screen, and back; the cursor hidden, and shown. */
const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
/** To the first line; the rest of a line, and all below it, emptied. */
const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

/** q, Ctrl-C, Ctrl-D: in raw mode none of them is a signal. */
const ENDING_KEYS = ["q", "Q", "\u0003", "\u0004"];

/** Where a terminal says no size, as some do over serial lines. */
const USUAL = { columns: 80, rows: 24 };

/**
 * A terminal whose whole screen is painted again and again. `q`, Ctrl-C and Ctrl-D end it, as does its closing; what was on
 * the terminal before is there again afterwards, however the process ends.
 */
export class Screen {
  /** Resolves when somebody wants no more of it. */
  readonly left: Promise<void>;
  private readonly input: ReadStream;
  private readonly output: WriteStream;
  private readonly restore = (): void => {
    this.input.setRawMode(false);
    this.output.write(LEAVE);
  };

  /** Takes the terminal; `resized` is called when it has another size. */
  constructor(input: ReadStream, output: WriteStream, resized: () => void) {
    this.input = input;
    this.output = output;
    input.setRawMode(true);
    output.write(ENTER);
    process.on("exit", this.restore);
    output.on("resize", resized);
    this.left = new Promise((resolve) => {
      input.on("data", (keys: Buffer) => {
        if ([...keys.toString("latin1")].some((key) => ENDING_KEYS.includes(key))) resolve();
      });
      input.on("end", resolve);
      for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => resolve());
    });
  }

  get width(): number {
    return this.output.columns || USUAL.columns;
  }

  get height(): number {
    return this.output.rows || USUAL.rows;
  }

  /** Shows these lines and nothing else. No line may be wider than the screen. */
  paint(lines: readonly string[]): void {
    this.output.write(HOME + lines.map((line) => line + CLEAR_LINE).join("\n") + CLEAR_BELOW);
  }

  /** Gives the terminal back. */
  close(): void {
    process.off("exit", this.restore);
    this.restore();
    this.input.destroy();
  }
}
