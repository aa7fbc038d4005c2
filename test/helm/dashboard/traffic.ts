import { lines, of, type Row, rate, WHO } from "./panel.ts";

/** What comes in, and what it shows, in the order in which packets meet it. */
export const TRAFFIC: readonly Row[] = [
  {
    title: "Agents",
    panels: [
      lines({
        title: "Copies by agent",
        description:
          "One line falls: its agent, or the way from it. All fall: the collector's link, or its load balancer.",
        unit: "pps",
        queries: [["{{agent}}", `sum by (agent) (${rate("rejoin_agent_packets_total")})`]],
      }),
      lines({
        title: "Bits by agent",
        description: "With the delivery headers.",
        unit: "bps",
        queries: [["{{agent}}", `8 * sum by (agent) (${rate("rejoin_agent_octets_total")})`]],
      }),
      lines({
        title: "Copies lost on the way, by agent",
        description: "Share of what the agent numbered, over 15 minutes. RejoinCopiesLost fires above 0.1 %.",
        unit: "percentunit",
        queries: [
          [
            "{{agent}}",
            `clamp_min(sum by (agent) (delta(${of("rejoin_agent_lost_packets")}[15m])), 0) / sum by (agent) (increase(${of("rejoin_agent_packets_total")}[15m]))`,
          ],
        ],
        alarmAt: 0.001,
      }),
      lines({
        title: "Lost at the agents themselves",
        description:
          "As they report it: dropped and failed when sending, cut for the path's MTU, lost by their kernels.",
        unit: "pps",
        queries: [
          [
            "{{agent}} {{count}}",
            `sum by (agent, count) (${rate("rejoin_agent_reported_packets_total", 'count=~"failed|dropped|cut|kernel-lost"')}) > 0`,
          ],
        ],
      }),
      lines({
        title: "Refused, late, twice",
        description:
          "Refused: the agent sends more than agentPacketsPerSecond. Late and twice: the way reorders or doubles.",
        unit: "pps",
        queries: [
          ["{{agent}} refused", `sum by (agent) (${rate("rejoin_agent_refused_total")}) > 0`],
          ["{{agent}} late", `sum by (agent) (${rate("rejoin_agent_late_total")}) > 0`],
          ["{{agent}} twice", `sum by (agent) (deriv(${of("rejoin_agent_duplicate_packets")}[$__rate_interval])) > 0`],
        ],
      }),
      lines({
        title: "Restarts of agents, and copies before the first that came",
        description: "In 15 minutes. Restarts without anybody's doing: the agent dies, look at its log.",
        unit: "short",
        queries: [
          ["{{agent}} restarts", `sum by (agent) (delta(${of("rejoin_agent_restarts")}[15m])) > 0`],
          ["{{agent}} unheard", `sum by (agent) (increase(${of("rejoin_agent_unheard_total")}[15m])) > 0`],
        ],
      }),
    ],
  },
  {
    title: "Packets",
    panels: [
      lines({
        title: "Packets by socket",
        description:
          "What the collectors took, and what their kernels dropped because a queue was full (RejoinCopiesDropped).",
        unit: "pps",
        queries: [
          ["{{source}}", `sum by (source) (${rate("rejoin_source_packets_total")})`],
          ["{{source}} dropped", `sum by (source) (${rate("rejoin_source_kernel_drops_total")}) > 0`],
        ],
      }),
      lines({
        title: "What became of packets",
        description:
          "session/counted is taken into records; docs/metrics.md says what the others are. agent-unknown: somebody sends who is on no list.",
        unit: "pps",
        queries: [["{{stage}}/{{reason}}", `sum by (stage, reason) (${rate("rejoin_packets_total")}) > 0`]],
      }),
    ],
  },
  {
    title: "Sessions",
    panels: [
      lines({
        title: "Open sessions",
        description: "By collector. A drop to nothing is a new process, or copies that stopped.",
        unit: "short",
        queries: [[WHO, of("rejoin_sessions")]],
      }),
      lines({
        title: "Sessions begun and ended",
        description: "By how they ended. evicted: a table was full. half open: nobody answered; many are a flood.",
        unit: "ops",
        queries: [
          ["begun", `sum(${rate("rejoin_sessions_opened_total")})`],
          ["ended: {{reason}}", `sum by (reason) (${rate("rejoin_sessions_ended_total")}) > 0`],
          ["half open", `sum(${rate("rejoin_sessions_half_open_total")})`],
        ],
      }),
      lines({
        title: "Subflows",
        description: "Open ones, by collector.",
        unit: "short",
        queries: [[WHO, of("rejoin_subflows")]],
      }),
      lines({
        title: "Subflows begun and ended",
        description: "By how they ended; of ended sessions by kind. unknown: their handshake was not seen.",
        unit: "ops",
        queries: [
          ["begun", `sum(${rate("rejoin_subflows_opened_total")})`],
          ["ended: {{reason}}", `sum by (reason) (${rate("rejoin_subflows_ended_total")}) > 0`],
          ["{{kind}}", `sum by (kind) (${rate("rejoin_subflows_total")}) > 0`],
        ],
      }),
      lines({
        title: "Fallbacks to plain TCP, and sessions without a handshake",
        description: "By cause. Many of a sudden: a box on the way strips options.",
        unit: "ops",
        queries: [
          ["fallback: {{cause}}", `sum by (cause) (${rate("rejoin_fallbacks_total")}) > 0`],
          ["no handshake seen", `sum(${rate("rejoin_sessions_partial_total")})`],
        ],
      }),
      lines({
        title: "Data of ended sessions",
        description: "By sender, each octet once.",
        unit: "bps",
        queries: [["{{side}}", `8 * sum by (side) (${rate("rejoin_stream_octets_total")})`]],
      }),
      lines({
        title: "Data that was not seen",
        description: "Share of what was acknowledged that no copy brought: copies are lost, or a path has no agent.",
        unit: "percentunit",
        queries: [
          [
            "acknowledged, not seen",
            `sum(${rate("rejoin_stream_unseen_octets_total")}) / sum(${rate("rejoin_stream_acknowledged_octets_total")})`,
          ],
          [
            "missing",
            `sum(${rate("rejoin_stream_missing_octets_total")}) / sum(${rate("rejoin_stream_octets_total")})`,
          ],
        ],
      }),
    ],
  },
  {
    title: "Verdicts and findings",
    panels: [
      lines({
        title: "Checks that failed",
        description:
          "HMACs, keys, tokens, checksums of ended sessions that are wrong. For analysts: docs/detection.md.",
        unit: "ops",
        queries: [["{{check}}", `sum by (check) (${rate("rejoin_verdicts_total", 'verdict="failed"')}) > 0`]],
      }),
      lines({
        title: "Checks that could not be made",
        description: "Share of each check's. It rises where copies are lost, cut, or come from one direction only.",
        unit: "percentunit",
        queries: [
          [
            "{{check}}",
            `sum by (check) (${rate("rejoin_verdicts_total", 'verdict="unverifiable"')}) / sum by (check) (${rate("rejoin_verdicts_total")})`,
          ],
        ],
      }),
      lines({
        title: "Conflicts: octets and options that differ",
        description:
          "Two copies of the same that are not alike, a handshake that contradicts itself, what was rewritten on the way.",
        unit: "ops",
        queries: [
          [
            "{{kind}}",
            `sum by (kind) (${rate("rejoin_findings_total", 'kind=~"octets-differ|handshake-contradicted|.*-rewritten"')}) > 0`,
          ],
        ],
      }),
      lines({
        title: "Octets in conflict",
        description: "Of ended sessions: two copies of an octet that are not alike.",
        unit: "bytes",
        queries: [["", `sum(increase(${of("rejoin_stream_conflicting_octets_total")}[$__rate_interval]))`]],
      }),
      lines({
        title: "Findings",
        description: "All kinds; docs/detection.md says what each means.",
        unit: "ops",
        queries: [["{{kind}}", `sum by (kind) (${rate("rejoin_findings_total")}) > 0`]],
      }),
    ],
  },
];
