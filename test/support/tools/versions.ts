/** The versions with which chart, rules and dashboard are tried: those of Go modules, without the leading v. */
export const VERSIONS = {
  helm: "4.3.1",
  kubeconform: "0.8.0",
  /** API server, controllers, scheduler and kubectl; etcd is the one that these are made for. */
  kubernetes: "1.37.2",
  kwok: "0.8.0",
  /** Prometheus 3.16.0 and its promtool. */
  prometheus: "0.316.0",
  /** Of which the definitions of ServiceMonitor and PrometheusRule come. */
  prometheusOperator: "0.85.0",
  /** In user space, where the kernel has none. */
  wireguard: "0.0.0-20260522210424-ecfc5a8d5446",
} as const;
