import type { Requirement } from "../support/requirements.ts";
import { Network } from "./network.ts";

/** What the lab and its transfers need, captures on routers among it. */
export const LAB: readonly Requirement[] = [
  "root",
  "network namespaces",
  "kernel MPTCP",
  "ip",
  "ss",
  "nstat",
  "ethtool",
  "python3",
  "tcpdump",
];

/**
 * The addresses of the lab, by what they are for:
 *
 *     client access1 --- router1 --- server core1
 *            access2 --- router2 ---        core2
 *                        router1, router2 --- collector
 *
 * The client's address decides the path; both server addresses can be reached over either.
 */
export const ADDRESSES = {
  client: { ipv4: ["10.10.1.2", "10.10.2.2"], ipv6: ["2001:db8:101::2", "2001:db8:102::2"] },
  server: { ipv4: ["10.20.1.2", "10.20.2.2"], ipv6: ["2001:db8:201::2", "2001:db8:202::2"] },
  /** What each router calls the collector, and is called by it. */
  collector: { ipv4: ["172.31.1.100", "172.31.2.100"], ipv6: ["2001:db8:301::100", "2001:db8:302::100"] },
  router: { ipv4: ["172.31.1.1", "172.31.2.1"], ipv6: ["2001:db8:301::1", "2001:db8:302::1"] },
} as const;

/** Of each path, in each direction: what a collector takes without loss on a machine that has much else to do. */
const RATE = "40mbit";

/**
 * Octets and their overhead of a whole connection of the lab. What comes out of order Linux 6.18 counts against the receive
 * buffer, and once that is over its bound takes nothing more out of its subflows, the octets that would let it go on
 * included: a connection whose buffer such octets have filled stands still for good.
 */
const RECEIVE_BUFFER = 8 << 20;

export const ROUTERS = ["router1", "router2"] as const;

/**
 * Ends with 0 once a connection from each address to the one behind it is refused by its host, so that the way there is open:
 * for IPv6 that takes a moment, and a host whose join finds no way does not try again.
 */
const AWAIT_PATHS = `
import socket, sys, time
end = time.monotonic() + 10
for source, target in zip(sys.argv[1::2], sys.argv[2::2]):
    while True:
        with socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET) as probe:
            probe.settimeout(0.2)
            try:
                probe.bind((source, 0))
                probe.connect((target, 9))
            except ConnectionRefusedError:
                break
            except OSError as error:
                if time.monotonic() > end:
                    sys.exit(f"no way from {source} to {target}: {error}")
                time.sleep(0.02)
`;

/** Builds the lab: client and server with kernel MPTCP and two disjoint paths, a router on each, and the collector. */
export function buildTwoPaths(): Network {
  const network = new Network("client", "server", ...ROUTERS, "collector");
  ROUTERS.forEach((router, index) => {
    const n = index + 1;
    const gateway = { access: [`10.10.${n}.1`, `2001:db8:10${n}::1`], core: [`10.20.${n}.1`, `2001:db8:20${n}::1`] };
    network.sysctl(router, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
    network.link(
      { node: "client", name: `access${n}`, addresses: [`10.10.${n}.2/24`, `2001:db8:10${n}::2/64`] },
      { node: router, name: "access", addresses: [`${gateway.access[0]}/24`, `${gateway.access[1]}/64`] },
    );
    network.link(
      { node: "server", name: `core${n}`, addresses: [`10.20.${n}.2/24`, `2001:db8:20${n}::2/64`] },
      { node: router, name: "core", addresses: [`${gateway.core[0]}/24`, `${gateway.core[1]}/64`] },
    );
    network.link(
      { node: router, name: "mgmt", addresses: [`172.31.${n}.1/24`, `2001:db8:30${n}::1/64`] },
      { node: "collector", name: `mgmt${n}`, addresses: [`172.31.${n}.100/24`, `2001:db8:30${n}::100/64`] },
    );
    // Without a limit the first path would carry all before the second is there.
    for (const device of ["access", "core"]) {
      network.exec(
        router,
        "tc",
        "qdisc",
        "add",
        "dev",
        device,
        "root",
        "tbf",
        "rate",
        RATE,
        "burst",
        "32k",
        "latency",
        "50ms",
      );
    }
    // Room for a whole packet of 1,500 octets behind its delivery headers.
    setMtu(network, index, 1700);
    // Client: by source address. Server: by destination, which is the client's address. Router: to the other core
    // network through the server, which takes packets for any address of its own.
    for (const family of [0, 1] as const) {
      const own = family === 0 ? `10.10.${n}.2` : `2001:db8:10${n}::2`;
      const clientNetwork = family === 0 ? `10.10.${n}.0/24` : `2001:db8:10${n}::/64`;
      const otherCore = family === 0 ? `10.20.${3 - n}.0/24` : `2001:db8:20${3 - n}::/64`;
      const ownCore = family === 0 ? `10.20.${n}.0/24` : `2001:db8:20${n}::/64`;
      const server = family === 0 ? `10.20.${n}.2` : `2001:db8:20${n}::2`;
      const option = family === 0 ? "-4" : "-6";
      const table = String(100 + n);
      network.ip("client", option, "rule", "add", "from", own, "table", table);
      network.ip("client", option, "route", "add", "default", "via", gateway.access[family] ?? "", "table", table);
      network.ip("client", option, "route", "add", ownCore, "via", gateway.access[family] ?? "");
      network.ip("server", option, "route", "add", clientNetwork, "via", gateway.core[family] ?? "");
      network.ip(router, option, "route", "add", otherCore, "via", server);
    }
  });
  setHosts(network, "net.mptcp.enabled=1", "net.ipv4.tcp_no_metrics_save=1");
  setHosts(network, `net.ipv4.tcp_rmem=4096 ${RECEIVE_BUFFER} ${RECEIVE_BUFFER}`);
  for (const host of ["client", "server"]) {
    network.exec(host, "ip", "mptcp", "limits", "set", "subflow", "4", "add_addr_accepted", "4");
  }
  const ways = (["ipv4", "ipv6"] as const).flatMap((family) =>
    ADDRESSES.client[family].flatMap((source) => ADDRESSES.server[family].flatMap((target) => [source, target])),
  );
  network.exec("client", "python3", "-c", AWAIT_PATHS, ...ways);
  return network;
}

/** Sets the MTU of the way from a router, 0 or 1, to the collector. */
export function setMtu(network: Network, router: number, octets: number): void {
  network.ip(ROUTERS[router] ?? "", "link", "set", "mgmt", "mtu", String(octets));
  network.ip("collector", "link", "set", `mgmt${router + 1}`, "mtu", String(octets));
}

/** Lets the client open a subflow from each of its second addresses to whatever server address it is connected to. */
export function joinFromSecondAddress(network: Network): void {
  for (const address of [ADDRESSES.client.ipv4[1], ADDRESSES.client.ipv6[1]]) {
    network.exec("client", "ip", "mptcp", "endpoint", "add", address, "dev", "access2", "subflow");
  }
}

/** Lets the server announce its second IPv4 address (ADD_ADDR) in each connection. */
export function announceSecondAddress(network: Network): void {
  network.exec("server", "ip", "mptcp", "endpoint", "add", ADDRESSES.server.ipv4[1], "dev", "core2", "signal");
}

/** Sets kernel settings on both hosts, such as `net.mptcp.checksum_enabled=1`. */
export function setHosts(network: Network, ...settings: readonly string[]): void {
  for (const host of ["client", "server"]) network.sysctl(host, ...settings);
}
