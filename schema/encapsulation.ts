/** How copies travel from an agent to the collector, as configuration and records name it. */
export const ENCAPSULATIONS = ["gre", "gre-in-udp", "erspan", "vxlan", "vxlan-gpe", "geneve"] as const;

/** One of ENCAPSULATIONS. `erspan` is ERSPAN of any type, whether its GRE is in UDP or not. */
export type Encapsulation = (typeof ENCAPSULATIONS)[number];

/** Those that travel in UDP, for which a collector has sockets. */
export const UDP_ENCAPSULATIONS = ["gre-in-udp", "vxlan", "vxlan-gpe", "geneve"] as const satisfies Encapsulation[];

/** One of UDP_ENCAPSULATIONS. */
export type UdpEncapsulation = (typeof UDP_ENCAPSULATIONS)[number];
