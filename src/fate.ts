/**
 * What becomes of a packet: a closed list. Every packet that enters the pipeline leaves it with exactly one fate, and
 * the counts over all fates add up to the packets in. `stage` and `reason` are the labels of the metrics.
 */
export const FATES = [
  { stage: "pipeline", reason: "alive", meaning: "still under way; never a final fate" },
  { stage: "pipeline", reason: "fault", meaning: "given up because of a fault of rejoin itself" },
  { stage: "decapsulate", reason: "link-type-unknown", meaning: "a link type that is not read" },
  { stage: "decapsulate", reason: "link-truncated", meaning: "ends inside its link-layer header" },
  { stage: "decapsulate", reason: "not-ip", meaning: "the link layer carries something else, such as ARP" },
  { stage: "decapsulate", reason: "vlan-depth", meaning: "more VLAN tags than the bound" },
  { stage: "decapsulate", reason: "ipv4-truncated", meaning: "ends inside its IPv4 header" },
  { stage: "decapsulate", reason: "ipv4-malformed", meaning: "version, header length or total length cannot be" },
  { stage: "decapsulate", reason: "ipv6-truncated", meaning: "ends inside its IPv6 header or an extension header" },
  { stage: "decapsulate", reason: "ipv6-malformed", meaning: "version or extension headers cannot be" },
  {
    stage: "decapsulate",
    reason: "fragment",
    meaning: "an IP fragment; its packet counts with the one that completes it",
  },
  { stage: "decapsulate", reason: "fragment-malformed", meaning: "an IP fragment whose place or length cannot be" },
  {
    stage: "decapsulate",
    reason: "fragment-overlap",
    meaning: "an IP fragment that overlaps others, or of a packet that was given up for that",
  },
  { stage: "decapsulate", reason: "udp-truncated", meaning: "ends inside its UDP header" },
  {
    stage: "decapsulate",
    reason: "udp-malformed",
    meaning: "a UDP length below its header's, or beyond the packet (RFC 768)",
  },
  { stage: "decapsulate", reason: "gre-truncated", meaning: "ends inside its GRE header" },
  { stage: "decapsulate", reason: "gre-version", meaning: "a GRE version other than 0 (RFC 2784 section 2.3.1)" },
  {
    stage: "decapsulate",
    reason: "gre-routed",
    meaning: "RFC 1701 routing, strict source route or recursion bits are set",
  },
  { stage: "decapsulate", reason: "gre-checksum", meaning: "the GRE checksum is wrong" },
  { stage: "decapsulate", reason: "gre-keepalive", meaning: "a GRE keepalive: nobody's packet, and not answered" },
  { stage: "decapsulate", reason: "erspan-truncated", meaning: "ends inside its ERSPAN header" },
  { stage: "decapsulate", reason: "erspan-malformed", meaning: "an ERSPAN version or frame type that cannot be" },
  { stage: "decapsulate", reason: "vxlan-truncated", meaning: "ends inside its VXLAN header" },
  {
    stage: "decapsulate",
    reason: "vxlan-malformed",
    meaning: "VXLAN without a network identifier, or of an unknown version",
  },
  { stage: "decapsulate", reason: "geneve-truncated", meaning: "ends inside its Geneve header or its options" },
  { stage: "decapsulate", reason: "geneve-version", meaning: "a Geneve version other than 0" },
  {
    stage: "decapsulate",
    reason: "mpls",
    meaning: "MPLS with something else than IP in it, or more labels than the bound",
  },
  { stage: "decapsulate", reason: "ppp", meaning: "PPP that is not over Ethernet, or holds something else than IP" },
  {
    stage: "decapsulate",
    reason: "delivery-protocol",
    meaning: "a delivery header carries a protocol that is not read",
  },
  { stage: "decapsulate", reason: "tunnel-depth", meaning: "more nested delivery headers than the bound" },
  { stage: "decapsulate", reason: "agent-unknown", meaning: "sender and key are not on the allow-list of agents" },
  { stage: "decapsulate", reason: "agent-table-full", meaning: "a new sender, and the table of agents is full" },
  {
    stage: "decapsulate",
    reason: "agent-over-rate",
    meaning: "its agent sends more packets a second than are taken of one",
  },
  {
    stage: "decapsulate",
    reason: "agent-report",
    meaning: "an agent's report of its own counts, which its ledger takes",
  },
  {
    stage: "decapsulate",
    reason: "agent-report-malformed",
    meaning: "an agent's report that is cut, of another version, or contradicts itself",
  },
  { stage: "decapsulate", reason: "not-tcp", meaning: "IP that carries neither TCP nor a known delivery header" },
  { stage: "decapsulate", reason: "tcp-truncated", meaning: "ends inside its TCP header" },
  { stage: "decapsulate", reason: "tcp-malformed", meaning: "a TCP data offset that cannot be" },
  { stage: "subflow", reason: "mirror-duplicate", meaning: "a second copy of a packet that was seen already" },
  { stage: "subflow", reason: "plain-tcp", meaning: "TCP of a flow that never showed an MPTCP handshake" },
  {
    stage: "subflow",
    reason: "options-cut",
    meaning: "ends inside its TCP options, and its flow has shown no MPTCP: nobody knows whether it has",
  },
  { stage: "subflow", reason: "table-full", meaning: "opens a subflow, and the table of subflows is full" },
  { stage: "session", reason: "table-full", meaning: "opens a session, and the table of sessions is full" },
  { stage: "session", reason: "midstream", meaning: "MPTCP of a subflow whose handshake was not seen" },
  {
    stage: "session",
    reason: "orphan-join",
    meaning:
      "of a join whose session was not known yet; in that session's record all the same if its handshake came within 10 s: no loss",
  },
  { stage: "session", reason: "join-refused", meaning: "a joined subflow whose HMAC is wrong" },
  { stage: "session", reason: "counted", meaning: "taken into a session's record" },
] as const satisfies readonly { stage: string; reason: string; meaning: string }[];

/** `stage/reason` of a fate, such as `subflow/plain-tcp`. */
export type FateName = (typeof FATES)[number] extends infer F
  ? F extends { stage: infer S extends string; reason: infer R extends string }
    ? `${S}/${R}`
    : never
  : never;

/** The index of a fate in FATES. Throws where the name is not in the list, which is our own bug. */
export function fateOf(name: FateName): number {
  const index = FATES.findIndex((fate) => `${fate.stage}/${fate.reason}` === name);
  if (index < 0) throw new Error(`no such fate: ${name}`);
  return index;
}

/** The fate of a packet that no stage has decided yet. */
export const FATE_ALIVE = 0;
/** The fate of a packet at which a stage threw, which is our own bug. */
export const FATE_FAULT = fateOf("pipeline/fault");
