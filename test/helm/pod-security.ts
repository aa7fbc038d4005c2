interface Container {
  readonly securityContext?: {
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly privileged?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  };
  readonly ports?: readonly { readonly hostPort?: number }[];
}

/** What of a pod's template is looked at. */
export interface PodSpec {
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly securityContext?: {
    readonly runAsNonRoot?: boolean;
    readonly runAsUser?: number;
    readonly seccompProfile?: { readonly type: string };
  };
  readonly containers: readonly Container[];
  readonly volumes?: readonly Readonly<Record<string, unknown>>[];
}

/** Volumes that the profile allows. */
const VOLUMES = [
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
];

/**
 * In which points a pod departs from the profile *restricted* of the Pod Security Standards, and from a root that cannot be
 * written: none is an empty list.
 */
export function departures(pod: PodSpec): string[] {
  const { hostNetwork, hostPID, hostIPC, securityContext = {}, containers, volumes = [] } = pod;
  const found: string[] = [];
  const when = (departs: boolean, what: string) => {
    if (departs) found.push(what);
  };
  when(hostNetwork === true, "hostNetwork");
  when(hostPID === true || hostIPC === true, "host's processes");
  when(securityContext.runAsNonRoot !== true || securityContext.runAsUser === 0, "root");
  when(securityContext.seccompProfile?.type !== "RuntimeDefault", "seccomp");
  for (const { securityContext: own = {}, ports = [] } of containers) {
    when(own.allowPrivilegeEscalation !== false || own.privileged === true, "privilege escalation");
    when(own.readOnlyRootFilesystem !== true, "root file system");
    when(own.capabilities?.drop?.join() !== "ALL", "capabilities kept");
    for (const added of own.capabilities?.add ?? []) when(added !== "NET_BIND_SERVICE", added);
    when(
      ports.some(({ hostPort }) => hostPort !== undefined),
      "hostPort",
    );
  }
  for (const { name, ...source } of volumes) {
    const [kind = ""] = Object.keys(source);
    when(!VOLUMES.includes(kind), `volume ${String(name)}: ${kind}`);
  }
  return found;
}
