import { once } from "node:events";
import { chmodSync, rmSync } from "node:fs";
import { createConnection, createServer, type Server } from "node:net";
import { text } from "node:stream/consumers";
import { OperationalError } from "../runtime/errors.ts";

/** Whoever may write to the socket may ask. */
const MODE = 0o660;
/** Who connects and reads nothing holds an answer in memory: so many at a time, so long each. */
const MAX_CONNECTIONS = 16;
const PATIENCE_MS = 5000;

/**
 * Answers whoever connects to a Unix socket with a JSON object, and closes; a seventeenth at a time is closed unanswered. A socket that a dead agent left is replaced;
 * rejects with an OperationalError where another agent answers there or the socket cannot be made.
 */
export async function serveStatus(path: string, status: () => unknown, patienceMs = PATIENCE_MS): Promise<Server> {
  if (await answers(path)) throw new OperationalError("status", `status.socket: another agent answers at ${path}`);
  rmSync(path, { force: true });
  const server = createServer((connection) => {
    connection.on("error", () => {}); // who asked has gone
    connection.setTimeout(patienceMs, () => connection.destroy());
    connection.end(`${JSON.stringify(status())}\n`);
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(path);
  try {
    await once(server, "listening");
    chmodSync(path, MODE);
  } catch (cause) {
    throw new OperationalError("status", `status.socket: ${path} cannot be made (${codeOf(cause)})`, { cause });
  }
  // Being asked is no reason to live.
  return server.unref();
}

/** What the agent at a socket says of itself, as JSON; empty where too many ask at once. Rejects with an OperationalError where none answers. */
export async function askStatus(path: string): Promise<string> {
  const connection = createConnection(path);
  try {
    await once(connection, "connect");
    return await text(connection);
  } catch (cause) {
    throw new OperationalError(
      "status",
      `no agent answers at ${path} (${codeOf(cause)}); does it run, with status.socket?`,
      {
        retriable: true,
        cause,
      },
    );
  }
}

async function answers(path: string): Promise<boolean> {
  try {
    await askStatus(path);
    return true;
  } catch (error) {
    if (error instanceof OperationalError) return false;
    throw error;
  }
}

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
