import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIP, type Socket } from "node:net";
import { isLoopback, readListenAddress } from "../../schema/configuration/listen-address.ts";
import { OperationalError } from "./errors.ts";

/** What a page of the admin server says. */
export interface Page {
  /** 200; 503 for a page about something that is not well, 400 and 403 for a question that has no answer. */
  readonly status: 200 | 400 | 403 | 503;
  readonly type: string;
  readonly body: string;
}

/** A path of the admin server. */
export interface Route {
  /** Who asks must have the token, where there is one. */
  readonly guarded: boolean;
  /**
   * Where there is no token, who asks must call this machine by address or `localhost`: a page in somebody's browser that has
   * its own name lead here (DNS rebinding) does not.
   */
  readonly byAddress?: true;
  page(query: URLSearchParams): Page | Promise<Page>;
}

/** An answer to "are you?": yes or no, and a line for each reason. */
export interface Health {
  readonly well: boolean;
  readonly reasons: readonly string[];
}

/** Where an admin server answers, for people, and its end. */
export interface AdminAddress {
  readonly address: string;
  readonly close: () => void;
}

/** A port alone is one of this. */
const LOOPBACK = "127.0.0.1";

/**
 * Connections at a time. For a further one the oldest without a whole request gives way, so that nobody keeps probes out by
 * saying nothing; where all are being answered it is closed at once.
 */
const MAX_CONNECTIONS = 32;
/** Time for a request to come in whole. */
const REQUEST_MS = 5000;
/** How often the time of requests is looked at. */
const CHECK_MS = 1000;
/** Time in which nothing comes in or is taken of an answer. */
const SILENCE_MS = 10_000;

/** Answers GET on an address of its own, for people and programs that look after a collector. */
export class AdminServer {
  private readonly server: Server;
  private readonly routes: ReadonlyMap<string, Route>;
  private readonly token: string | null;
  /** Connections without a whole request, the oldest first, and those that are answered: MAX_CONNECTIONS together. */
  private readonly unasked = new Set<Socket>();
  private readonly asked = new Set<Socket>();

  /** `token` is asked for as `Authorization: Bearer ...` on guarded routes; null: they are open. */
  constructor(routes: Readonly<Record<string, Route>>, token: string | null, silenceMs = SILENCE_MS) {
    this.routes = new Map(Object.entries(routes));
    this.token = token;
    const limits = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: CHECK_MS };
    this.server = createServer(limits, (request, response) => void this.answer(request, response));
    this.server.setTimeout(silenceMs, (socket) => socket.destroy());
    this.server.on("connection", (socket: Socket) => this.admit(socket));
    // Whoever pipelines and reads nothing has no second answer held in memory.
    this.server.maxRequestsPerSocket = 1;
  }

  /**
   * Starts one at a port of loopback, or address and port. `routesOf` is told whether only this machine or somebody with the
   * token can ask guarded routes. Rejects with an OperationalError when the address cannot be had.
   */
  static async start(
    listen: string | number,
    token: string | null,
    routesOf: (isOpen: boolean) => Readonly<Record<string, Route>>,
  ): Promise<AdminAddress> {
    const at = readListenAddress(String(listen));
    const host = at?.host ?? LOOPBACK;
    const server = new AdminServer(routesOf(token !== null || isLoopback(host)), token);
    const port = await server.listen(host, at?.port ?? 0);
    // Being asked is no reason to live.
    server.server.unref();
    return { address: `http://${host.includes(":") ? `[${host}]` : host}:${port}`, close: () => server.close() };
  }

  /** Begins to answer; returns the port. Rejects with an OperationalError when the address cannot be had. */
  async listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once("error", (cause) => {
        const message = `the admin address ${host}:${port} cannot be had: ${cause.message}; say another as admin.listen`;
        reject(new OperationalError("ADMIN", message, { cause }));
      });
      this.server.listen(port, host, () => {
        const address = this.server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  /** Answers no more, and ends what is under way. */
  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private admit(socket: Socket): void {
    if (this.unasked.size + this.asked.size >= MAX_CONNECTIONS) {
      const [oldest] = this.unasked;
      if (oldest === undefined) {
        socket.destroy();
        return;
      }
      this.unasked.delete(oldest);
      oldest.destroy();
    }
    this.unasked.add(socket);
    socket.once("close", () => {
      this.unasked.delete(socket);
      this.asked.delete(socket);
    });
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.unasked.delete(request.socket)) this.asked.add(request.socket);
    const say = (status: number, type: string, body: string, headers: Record<string, string> = {}): void => {
      response.writeHead(status, {
        "content-type": type,
        "cache-control": "no-store",
        connection: "close",
        ...headers,
      });
      response.end(request.method === "HEAD" ? undefined : body);
    };
    const plain = "text/plain; charset=utf-8";
    const [path = "", query = ""] = (request.url ?? "").split("?");
    const route = this.routes.get(path);
    if (request.method !== "GET" && request.method !== "HEAD")
      return say(405, plain, "only GET\n", { allow: "GET, HEAD" });
    if (route === undefined) return say(404, plain, `${[...this.routes.keys()].join("\n")}\n`);
    if (route.guarded && !this.knows(request)) {
      return say(401, plain, "a bearer token is asked for\n", { "www-authenticate": "Bearer" });
    }
    if (route.byAddress && this.token === null && !isAddressed(request.headers.host)) {
      return say(
        403,
        plain,
        "without a token this is told only to who asks by address or localhost: do, or set admin.token\n",
      );
    }
    try {
      const { status, type, body } = await route.page(new URLSearchParams(query));
      say(status, type, body);
    } catch {
      // Our own fault; whoever asks is told no more of it than that.
      say(500, plain, "a fault of rejoin itself\n");
    }
  }

  private knows(request: IncomingMessage): boolean {
    if (this.token === null) return true;
    const [, said] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "") ?? [];
    return said !== undefined && timingSafeEqual(digest(said), digest(this.token));
  }
}

/** Whether a Host header is an address or `localhost`, with or without a port. */
function isAddressed(host: string | undefined): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(host ?? "") ?? [];
  const name = bracketed ?? plain ?? "";
  return name === "localhost" || isIP(name) !== 0;
}

/** The route of a probe, open to everybody: yes or no on the first line, a reason on each other. */
export function probe(health: () => Health): Route {
  const page = (): Page => {
    const { well, reasons } = health();
    const body = [well ? "yes" : "no", ...reasons].map((line) => `${line}\n`).join("");
    return { status: well ? 200 : 503, type: "text/plain; charset=utf-8", body };
  };
  return { guarded: false, page };
}

/** Digests are of one length, and how alike they are says nothing of the token. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
