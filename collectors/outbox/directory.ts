import { chmodSync, mkdirSync, readdirSync, statSync } from "node:fs";
import type { Logger } from "pino";
import { DirectoryLock } from "../runtime/directory-lock.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { AtRest } from "./at-rest.ts";
import { emptyLedger, Ledger, type LedgerState } from "./ledger.ts";
import { Segment } from "./segment.ts";

/** Where an outbox is, and how it is written. */
export interface DirectoryOptions {
  readonly directory: string;
  /** Null: records are written as they are. */
  readonly atRest: AtRest | null;
}

/** A directory that this process has, and what was in it. */
export interface OpenedDirectory {
  readonly lock: DirectoryLock;
  readonly ledger: Ledger;
  readonly state: LedgerState;
  readonly segments: readonly Segment[];
}

/**
 * Opens or makes the directory of an outbox, for its owner alone. A damaged ledger is renamed and told. Throws an
 * `OperationalError` where it cannot be used, another process has it, or it is encrypted with another key.
 */
export async function openDirectory(
  { directory, atRest }: DirectoryOptions,
  log: Pick<Logger, "warn">,
): Promise<OpenedDirectory> {
  const lock = await takeDirectory(directory);
  try {
    const { ledger, state, isDamaged } = Ledger.open(directory);
    const segments = openSegments(directory, state);
    if (isDamaged) log.warn(`${directory}/ledger was damaged: it is set aside, and counts begin anew`);
    const keyId = atRest?.keyId ?? null;
    if (state !== null && state.keyId !== keyId && segments.length > 0) {
      for (const segment of segments) segment.close();
      ledger.close();
      const with_ = state.keyId === null ? "without a key" : "with another key";
      throw new OperationalError(
        "OUTBOX_KEY",
        `${directory}: its records were written ${with_}; start once with that one until they are delivered`,
      );
    }
    return { lock, ledger, state: { ...(state ?? emptyLedger(keyId)), keyId }, segments };
  } catch (error) {
    await lock.release();
    throw unusable(directory, error);
  }
}

/** Why no outbox can be kept in a directory; an `OperationalError` stays what it is. */
export function unusable(directory: string, error: unknown): OperationalError {
  if (error instanceof OperationalError) return error;
  return new OperationalError(
    "OUTBOX_DIRECTORY",
    `${directory}: no outbox can be kept there: ${(error as Error).message}; name another directory with --outbox`,
    { cause: error },
  );
}

async function takeDirectory(directory: string): Promise<DirectoryLock> {
  const lock = new DirectoryLock(directory);
  let holder: number | null;
  try {
    try {
      mkdirSync(directory, { recursive: false, mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    refuseOthers(directory);
    chmodSync(directory, 0o700);
    holder = await lock.take();
  } catch (error) {
    throw unusable(directory, error);
  }
  if (holder === null) return lock;
  throw new OperationalError(
    "OUTBOX_DIRECTORY",
    `${directory}: another collector, process ${holder}, has its outbox there; give each one of its own with --outbox`,
  );
}

/** A directory of somebody else may hold links to what root alone may write. */
function refuseOthers(directory: string): void {
  const own = process.geteuid?.();
  const { uid } = statSync(directory);
  if (own === undefined || uid === own) return;
  throw new OperationalError(
    "OUTBOX_DIRECTORY",
    `${directory}: it belongs to another user (${uid}); run the collector as that one, or name another directory with --outbox`,
  );
}

/**
 * The segments that an earlier process left, without those that its ledger has counted, and without those that hold
 * nothing: the next one may have such a one's name. Throws the file system's error.
 */
function openSegments(directory: string, state: LedgerState | null): Segment[] {
  const names = readdirSync(directory).filter((name) => name.endsWith(".segment"));
  if (state !== null) state.lingering = state.lingering.filter((name) => names.includes(name));
  return names.flatMap((name) => {
    if (state?.lingering.includes(name)) return [];
    const segment = Segment.open(directory, name);
    if (segment === null || (segment.records > 0 && name !== state?.removing)) return segment ?? [];
    segment.remove();
    return [];
  });
}
