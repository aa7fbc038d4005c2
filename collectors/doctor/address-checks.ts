import { createSocket } from "node:dgram";
import { createServer, isIPv6 } from "node:net";
import { isLoopback, readListenAddress } from "../../schema/configuration/listen-address.ts";
import { type Check, type Finding, findingsOf } from "./finding.ts";

/** Binds a socket and gives it back: the name of the error where that fails, null where it does not. */
type Try = (host: string, port: number) => Promise<string | null>;

/** Whether a UDP port of `listen.udp`, or one that stands in for a packet ring, can be had. */
export function udpPortCheck(text: string): Check {
  const what = "UDP port";
  const { ok } = findingsOf(what);
  return {
    what,
    look: async () => (await unbound(what, text, "::", bindEverywhere, "listen.udp")) ?? ok(`${text} can be had`),
  };
}

/** Whether the address of an admin server can be had, and who may ask there. */
export function adminCheck(listen: string | number, token: string | null): Check {
  const what = "admin address";
  const { ok, warn } = findingsOf(what);
  const text = String(listen);
  const isOpen = token === null && !isLoopback(readListenAddress(text)?.host ?? LOOPBACK);
  return {
    what,
    look: async () => {
      const fault = await unbound(what, text, LOOPBACK, bindTcp, "admin.listen");
      if (fault !== null) return fault;
      return isOpen
        ? warn("whoever reaches it may read metrics, and nobody more than that: set admin.token")
        : ok(`${text} can be had, and tells on loopback, or to who has the token`);
    },
  };
}

/** A port alone is one of this, for an admin server. */
const LOOPBACK = "127.0.0.1";

/** What is wrong with an address, null where it can be had. `host` is that of a port alone, `key` says where it is configured. */
async function unbound(what: string, text: string, host: string, bind: Try, key: string): Promise<Finding[] | null> {
  const { warn, fail } = findingsOf(what);
  const at = readListenAddress(text);
  const code = at === null ? null : await bind(at.host ?? host, at.port);
  if (code === null) return null;
  if (code === "EADDRINUSE") return warn(`${text} is taken: by one that runs already, or say another in ${key}`);
  if (code === "EADDRNOTAVAIL") return fail(`${text} is no address of this machine: \`ip address\` lists those it has`);
  return fail(`${text} cannot be had (${code}): say another in ${key}`);
}

const bindUdp: Try = (host, port) =>
  new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
    socket.once("error", (error) => {
      socket.close();
      resolve(nameOf(error));
    });
    socket.bind(port, host, () => socket.close(() => resolve(null)));
  });

/** As the collector does: every address of IPv6 and IPv4, and of IPv4 alone where a machine has no IPv6. */
const bindEverywhere: Try = async (host, port) => {
  const code = await bindUdp(host, port);
  return host === "::" && (code === "EAFNOSUPPORT" || code === "EADDRNOTAVAIL") ? bindUdp("0.0.0.0", port) : code;
};

const bindTcp: Try = (host, port) =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve(nameOf(error)));
    server.listen(port, host, () => server.close(() => resolve(null)));
  });

const nameOf = (error: NodeJS.ErrnoException): string => error.code ?? error.message;
