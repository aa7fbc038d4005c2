import { lines, of, type Row, rate, WHO } from "./panel.ts";

/** How the collectors themselves are: what they leave out, whether records get away, the process. */
export const SERVICE: readonly Row[] = [
  {
    title: "Bounds",
    panels: [
      lines({
        title: "Tables against their bounds",
        description: "The fullest collector's. At 100 % something is refused or given up: docs/bounds.md says what.",
        unit: "percentunit",
        queries: [["{{table}}", `max by (table) (${of("rejoin_table_used")} / ${of("rejoin_table_bound")})`]],
        warnAt: 0.8,
        alarmAt: 1,
      }),
      lines({
        title: "Packets that met a full table",
        description: "RejoinTableFull. stage says whose: decapsulate agents, subflow subflows, session sessions.",
        unit: "pps",
        queries: [
          [
            "{{stage}}",
            `sum by (stage) (${rate("rejoin_packets_total", 'reason=~"table-full|agent-table-full"')}) > 0`,
          ],
        ],
      }),
      lines({
        title: "What bounds left out",
        description: "docs/bounds.md has each. updates: sessions changed oftener than records were made.",
        unit: "ops",
        queries: [
          ["{{kind}}", `sum by (kind) (${rate("rejoin_shed_total")}) > 0`],
          ["updates", `sum(${rate("rejoin_updates_left_out_total")}) > 0`],
          ["holes of chunks", `sum(${rate("rejoin_chunks_shed_holes_total")}) > 0`],
          ["late octets of chunks", `sum(${rate("rejoin_chunks_late_octets_total")}) > 0`],
        ],
      }),
      lines({
        title: "Lost of sessions as plain TCP",
        description:
          "Packets in no capture: RejoinPlainTcpShed. Captures that nobody took: RejoinCapturesDeleted. untold: octets in no connection.",
        unit: "ops",
        queries: [
          ["packets {{reason}}", `sum by (reason) (${rate("rejoin_plain_tcp_shed_packets_total")}) > 0`],
          ["captures deleted", `sum(${rate("rejoin_plain_tcp_deleted_captures_total")}) > 0`],
          ["untold octets", `sum(${rate("rejoin_plain_tcp_untold_octets_total")}) > 0`],
        ],
      }),
    ],
  },
  {
    title: "Records and their sink",
    panels: [
      lines({
        title: "Records made, acknowledged, given up",
        description: "made above acknowledged for long: the outbox fills. given up: RejoinRecordsShed.",
        unit: "ops",
        queries: [
          ["made", `sum(${rate("rejoin_records_made_total")})`],
          ["acknowledged", `sum(${rate("rejoin_records_acknowledged_total")})`],
          ["given up: {{reason}} {{class}}", `sum by (reason, class) (${rate("rejoin_records_shed_total")}) > 0`],
        ],
      }),
      lines({
        title: "Age of the oldest record that waits",
        description: "It grows by a second a second while the sink takes none: RejoinSinkUnreachable.",
        unit: "s",
        queries: [[WHO, of("rejoin_outbox_oldest_seconds")]],
        alarmAt: 600,
      }),
      lines({
        title: "Records that wait",
        description: "In the outbox of each collector.",
        unit: "short",
        queries: [[WHO, of("rejoin_outbox_records")]],
      }),
      lines({
        title: "Octets that wait",
        description: "Against outbox.diskMib, or outbox.maxMib in memory: what is left is your time.",
        unit: "bytes",
        queries: [[WHO, of("rejoin_outbox_octets")]],
      }),
      lines({
        title: "Time until a batch was acknowledged",
        description: "Mean, retries included. Of a remote sink only, such as Kafka.",
        unit: "s",
        queries: [[WHO, `${rate("rejoin_sink_send_seconds_total")} / (${rate("rejoin_sink_sends_total")} > 0)`]],
      }),
      lines({
        title: "Retries and errors of the sink",
        description: "By the protocol's error code, or the network.",
        unit: "ops",
        queries: [
          ["retries", `sum(${rate("rejoin_sink_retries_total")})`],
          ["{{error}}", `sum by (error) (${rate("rejoin_sink_errors_total")}) > 0`],
        ],
      }),
      lines({
        title: "Time until a certificate expires",
        description: "Of those in use with the sink; nothing without TLS. Afterwards it takes no more records.",
        unit: "dtdhms",
        queries: [[WHO, `(${of("rejoin_sink_certificate_expiry_seconds")} > 0) - time()`]],
      }),
    ],
  },
  {
    title: "Process",
    panels: [
      lines({
        title: "Event loop: the longest hundredth of delays",
        description: "While it is held up nobody reads sockets: copies wait in the kernel's queue and are dropped.",
        unit: "s",
        queries: [[WHO, of("nodejs_eventloop_lag_p99_seconds")]],
        warnAt: 0.1,
        alarmAt: 0.5,
      }),
      lines({
        title: "Garbage collection",
        description: "Share of the time that it takes, by kind.",
        unit: "percentunit",
        queries: [["{{kind}}", `sum by (kind) (${rate("nodejs_gc_duration_seconds_sum")})`]],
      }),
      lines({
        title: "Processor",
        description: "Near 1 the packets' core is full: share the work among more collectors.",
        unit: "short",
        queries: [[WHO, rate("process_cpu_seconds_total")]],
        warnAt: 0.8,
        alarmAt: 1,
      }),
      lines({
        title: "Memory",
        description: "Against the pod's limit. Tables are outside of V8's heap.",
        unit: "bytes",
        queries: [
          [`${WHO} resident`, of("process_resident_memory_bytes")],
          [`${WHO} heap`, of("nodejs_heap_size_used_bytes")],
          [`${WHO} external`, of("nodejs_external_memory_bytes")],
        ],
      }),
    ],
  },
];
