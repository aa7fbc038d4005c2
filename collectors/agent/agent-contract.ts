import type { Destination } from "../../schema/configuration/destination.ts";
import { type Exclusions, NO_EXCLUSIONS } from "../../src/encapsulate/exclusions.ts";
import type { Direction } from "../linux/capture.ts";
import type { MirrorSettings } from "./mirror/plan.ts";
import type { ReplayOptions } from "./replay.ts";
import type { TunnelCounters, TunnelOptions } from "./tunnel.ts";

/** What an agent may be told while it runs. */
export interface AgentPolicy {
  /** Flows that are never copied. */
  readonly exclusions: Exclusions;
  /** Share of sessions that are copied, 0 to 1. */
  readonly sample: number;
  /** 10^6 bits a second that copies may take, headers included; null for no bound. */
  readonly mbitPerSecond: number | null;
  /** Share of one processor that the agent may take, percent; null for no bound. */
  readonly processorPercent: number | null;
}

/** What an agent copies, how, and where to. */
export interface AgentConfig extends AgentPolicy, TunnelOptions {
  /** Stands in log lines. */
  readonly name: string;
  readonly input:
    | {
        readonly kind: "interfaces";
        readonly names: readonly string[];
        readonly direction: Direction;
        readonly promiscuous: boolean;
        readonly by: "auto" | "ring" | "tcpdump";
        /** Whether the kernel keeps back what cannot belong to a selected flow; a packet ring only. */
        readonly filtered: boolean;
        /** Who the agent becomes once all is open; null for who it is. */
        readonly user: string | null;
      }
    | ({ readonly kind: "mirror" } & MirrorSettings)
    | ({
        readonly kind: "replay";
        /** Waits until more may be sent, for a reason outside the agent; absent where there is none. */
        readonly hold?: () => Promise<void>;
      } & Pick<ReplayOptions, "files" | "speed" | "begin">);
  /** At least one; a session's copies go to one of them. */
  readonly collectors: readonly Destination[];
  /** Flows selected at a time. */
  readonly maxFlows: number;
  /** Time between two lines of counts in the log. */
  readonly reportMs: number;
  /** Time between two reports of its own counts to the collectors, in the streams of copies. */
  readonly ownCountsMs: number;
}

/** What most agents do, apart from where packets come from and go to. */
export const AGENT_DEFAULTS = {
  encapsulation: "udp",
  key: null,
  snap: null,
  headersOnly: false,
  fragment: false,
  dscp: null,
  exclusions: NO_EXCLUSIONS,
  sample: 1,
  mbitPerSecond: null,
  processorPercent: null,
  maxFlows: 131_072,
  reportMs: 60_000,
  ownCountsMs: 60_000,
} as const satisfies Partial<AgentConfig>;

/**
 * What an agent did with packets since its start. `selected + reports = sent + failed + dropped + limited`, once it has
 * ended.
 */
export interface AgentCounters {
  readonly seen: number;
  /** Copies that were due: one of each packet of a selected flow, or of each segment that a super-packet stands for. */
  readonly selected: number;
  /** Copies, and reports of its own counts, that the kernel took. */
  readonly sent: number;
  /** Reports of its own counts that were given to the kernel. */
  readonly reports: number;
  /** Copies that were cut to the snap length or the path. */
  readonly cut: number;
  /** Copies that the kernel refused to send. */
  readonly failed: number;
  /** Times the collector's host said that nobody listens there; each tells of one lost copy at least. */
  readonly refused: number;
  /** Times a router on the way said that a copy was too long for it; each tells of one lost copy. */
  readonly tooLong: number;
  /** Copies not made because the send queue was full. */
  readonly dropped: number;
  /** Copies not made because of the bound on their bandwidth. */
  readonly limited: number;
  /** Milliseconds that packets waited because of the bound on the processor's time. */
  readonly pausedMs: number;
  /** Packets that the kernel had no room for before the agent saw them. */
  readonly lost: number;
  /** `leftOut`: flows of sessions that are not sampled. */
  readonly flows: {
    readonly live: number;
    readonly opened: number;
    readonly evicted: number;
    readonly leftOut: number;
  };
}

/** What an agent says of itself to who asks. */
export interface AgentStatus {
  readonly name: string;
  readonly pid: number;
  /** How packets come: `ring`, `tcpdump`, `replay`, or by whose rules to which device: `nft to a TAP`, `tc to vxlan`. */
  readonly input: string;
  readonly collectors: readonly {
    readonly name: string;
    readonly address: string;
    /** False for a while after somebody said that nobody listens there: its sessions go to another. */
    readonly reachable: boolean;
    /** Octets of a payload packet that a copy can carry. */
    readonly room: number;
    readonly counters: TunnelCounters;
  }[];
  readonly sample: number;
  /** Times the kernel's filter was made again. */
  readonly filterRenewals: number;
  readonly counters: AgentCounters;
}

/** A running agent. */
export interface Agent {
  /** Resolves with the last counts when the agent has ended: stopped, or its files read. Rejects with an OperationalError. */
  readonly ended: Promise<AgentCounters>;
  /** Files of a replay that were cut short or damaged, one line each; complete when the agent has ended. */
  readonly damage: readonly string[];
  counters(): AgentCounters;
  status(): AgentStatus;
  /** Obeys another policy, and other collectors, from now on. Rejects with an OperationalError, and all is as it was. */
  change(policy: AgentPolicy, collectors: readonly Destination[]): Promise<void>;
  /** Changes the time between two lines of counts in the log. */
  reportEvery(reportMs: number): void;
  /** Ends the agent: what was captured is still sent. Resolves as `ended` does. */
  stop(): Promise<AgentCounters>;
}
