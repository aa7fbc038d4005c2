/** How copies travel from an agent to the collector, as configuration and records name it. */
export const ENCAPSULATIONS = ["gre", "gre-in-udp", "erspan", "vxlan", "vxlan-gpe", "geneve"] as const;

/** One of ENCAPSULATIONS. `erspan` is ERSPAN of any type, whether its GRE is in UDP or not. */
export type Encapsulation = (typeof ENCAPSULATIONS)[number];

/** Those that travel in UDP, for which a collector has sockets. */
export const UDP_ENCAPSULATIONS = ["gre-in-udp", "vxlan", "vxlan-gpe", "geneve"] as const satisfies Encapsulation[];

/** One of UDP_ENCAPSULATIONS. */
export type UdpEncapsulation = (typeof UDP_ENCAPSULATIONS)[number];

/** The UDP port that is assigned to each: RFC 8086 §1, RFC 7348 §5, draft-ietf-nvo3-vxlan-gpe-13 §3, RFC 8926 §3.3. */
export const ASSIGNED_PORTS: Readonly<Record<UdpEncapsulation, number>> = {
  "gre-in-udp": 4754,
  vxlan: 4789,
  "vxlan-gpe": 4790,
  geneve: 6081,
};
