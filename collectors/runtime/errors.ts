const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "it may not be read; ask its owner or run as another user",
  EPERM: "it may not be read; ask its owner or run as another user",
  EISDIR: "it is a directory",
  ENAMETOOLONG: "the name is too long",
  ENOTDIR: "a part of the path is no directory",
};

/** Why a file cannot be read: in words of our own where they are the usual ones, which name no path again, or the system's. */
export function systemWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? String(error.code) : "";
  return WORDS[code] ?? error.message;
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
