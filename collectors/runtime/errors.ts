/** Why a call on a path failed: in the system's words, but where it is the path itself, which these would repeat. */
export function systemWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? error.code : undefined;
  if (code === "ENAMETOOLONG") return "the name is too long";
  if (code === "ENOTDIR") return "a part of the path is no directory";
  return error.message;
}

/**
 * An operational failure: something outside the program is not as it must be. `message` is one line that says what was
 * wrong, where, and what to do; `exitStatus` is what the command ends with when nobody can go on (2 unless said
 * otherwise). `retriable` tells whether the same call may succeed later.
 */
export class OperationalError extends Error {
  readonly code: string;
  readonly retriable: boolean;
  readonly exitStatus: number;

  constructor(
    code: string,
    message: string,
    options: { retriable?: boolean; exitStatus?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "OperationalError";
    this.code = code;
    this.retriable = options.retriable ?? false;
    this.exitStatus = options.exitStatus ?? 2;
  }
}
