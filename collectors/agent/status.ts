import { once } from "node:events";
import { chmodSync, existsSync, lstatSync, rmSync } from "node:fs";
import { createConnection, createServer, type Server } from "node:net";
import { dirname } from "node:path";
import { OperationalError } from "../runtime/errors.ts";
import { grouped } from "../terminal/text.ts";

/** Whoever may write to the socket may ask. */
const MODE = 0o660;
/** Who connects and reads nothing holds an answer in memory: so many at a time, so long each. */
const MAX_CONNECTIONS = 16;
/** Time for an answer to be taken, and to come in whole. */
const PATIENCE_MS = 5000;
/** Who answers at a socket need not be an agent. */
const MAX_ANSWER_OCTETS = 2 ** 24;

/**
 * Answers whoever connects to a Unix socket with a JSON object, or null where there is no status yet, and closes; a
 * seventeenth at a time is closed unanswered. A socket that a dead agent left is replaced; rejects with an OperationalError
 * where somebody listens there, something else stands there, or the socket cannot be made.
 */
export async function serveStatus(path: string, status: () => unknown, patienceMs = PATIENCE_MS): Promise<Server> {
  const directory = dirname(path);
  // The answer to `listen` would be EACCES.
  if (!existsSync(directory)) {
    const how = `make it: install -d -m 750 ${directory}`;
    throw new OperationalError("status", `status.socket: there is no directory ${directory} (ENOENT); ${how}`);
  }
  const server = createServer((connection) => {
    connection.on("error", () => {}); // who asked has gone
    connection.setTimeout(patienceMs, () => connection.destroy());
    connection.end(`${JSON.stringify(status())}\n`);
  });
  server.maxConnections = MAX_CONNECTIONS;
  try {
    await makeRoom(path);
    server.listen(path);
    await once(server, "listening");
    chmodSync(path, MODE);
  } catch (cause) {
    if (cause instanceof OperationalError) throw cause;
    throw new OperationalError("status", `status.socket: ${path} cannot be made (${codeOf(cause)})`, { cause });
  }
  // Being asked is no reason to live.
  return server.unref();
}

/**
 * What the agent at a socket says of itself, as JSON; empty where too many ask at once. Rejects with an OperationalError
 * where none answers, in time and in no more than 16 MiB.
 */
export async function askStatus(path: string, patienceMs = PATIENCE_MS): Promise<string> {
  const signal = AbortSignal.timeout(patienceMs);
  const chunks: Buffer[] = [];
  let octets = 0;
  try {
    const connection = createConnection({ path, signal });
    await once(connection, "connect");
    for await (const chunk of connection as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      octets += chunk.length;
      if (octets > MAX_ANSWER_OCTETS) throw new Error(`more than ${grouped(MAX_ANSWER_OCTETS)} octets`);
    }
  } catch (cause) {
    const why = signal.aborted ? `no whole answer in ${patienceMs / 1000} s` : codeOf(cause);
    const message = `no agent answers at ${path} (${why}); does it run, with status.socket?`;
    throw new OperationalError("status", message, { retriable: true, cause });
  }
  return Buffer.concat(chunks).toString();
}

/** The status that an answer says. Throws an OperationalError where it is empty, no agent's, or of one that has not begun. */
export function statusOf(answer: string, path: string): unknown {
  if (answer === "") throw new OperationalError("status", `too many ask at ${path} at once; ask again`);
  let status: unknown;
  try {
    status = JSON.parse(answer);
  } catch (cause) {
    throw new OperationalError("status", `who answers at ${path} is no agent: the answer is no JSON`, { cause });
  }
  if (status === null) throw new OperationalError("status", `the agent at ${path} is starting; ask again`);
  return status;
}

/** Removes a socket that nobody listens at. Anything else stays, and an OperationalError says what it is. */
async function makeRoom(path: string): Promise<void> {
  const entry = lstatSync(path, { throwIfNoEntry: false });
  if (entry === undefined) return;
  if (!entry.isSocket()) {
    throw new OperationalError("status", `status.socket: ${path} is there and is no socket; say another path`);
  }
  if (await isListened(path)) {
    throw new OperationalError("status", `status.socket: somebody listens at ${path} already; is it another agent?`);
  }
  rmSync(path, { force: true });
}

/** Whether somebody has the socket open. Nothing is asked: who takes a connection may never answer. */
async function isListened(path: string): Promise<boolean> {
  const connection = createConnection(path);
  try {
    await once(connection, "connect");
    return true;
  } catch (cause) {
    return codeOf(cause) !== "ECONNREFUSED";
  } finally {
    connection.destroy();
  }
}

const codeOf = (cause: unknown): string =>
  cause instanceof Error ? ("code" in cause ? String(cause.code) : cause.message) : String(cause);
