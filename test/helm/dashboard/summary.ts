import { of, type Panel, stat } from "./panel.ts";

/** Whether somebody has to look further, in one line. */
export const SUMMARY: readonly Panel[] = [
  stat({
    title: "Collectors that answer",
    description: "Fewer than there should be: RejoinCollectorDown.",
    unit: "short",
    queries: [["", `count(${of("rejoin_build_info")})`]],
  }),
  stat({
    title: "Copies that did not arrive",
    description: "Share of what agents numbered, in the time shown. Above 0.1 %: RejoinCopiesLost.",
    unit: "percentunit",
    queries: [
      [
        "",
        `sum(delta(${of("rejoin_agent_lost_packets")}[$__range])) / sum(increase(${of("rejoin_agent_packets_total")}[$__range]))`,
      ],
    ],
    warnAt: 0.0001,
    alarmAt: 0.001,
  }),
  stat({
    title: "Copies dropped here",
    description: "By the kernels of the collectors, in the time shown. Any at all: RejoinCopiesDropped.",
    unit: "short",
    queries: [["", `sum(increase(${of("rejoin_source_kernel_drops_total")}[$__range]))`]],
    alarmAt: 1,
  }),
  stat({
    title: "Oldest record that waits",
    description: "Minutes: the sink is slow or away, RejoinSinkUnreachable.",
    unit: "s",
    queries: [["", `max(${of("rejoin_outbox_oldest_seconds")})`]],
    warnAt: 60,
    alarmAt: 600,
  }),
  stat({
    title: "Records given up",
    description: "In the time shown. Any at all: RejoinRecordsShed.",
    unit: "short",
    queries: [["", `sum(increase(${of("rejoin_records_shed_total")}[$__range]))`]],
    alarmAt: 1,
  }),
  stat({
    title: "Open sessions",
    description: "Of all collectors that were chosen.",
    unit: "short",
    queries: [["", `sum(${of("rejoin_sessions")})`]],
  }),
];
