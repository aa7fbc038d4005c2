{{- /* What pods of collector and agent have in common; each takes the values of its program. */}}

{{- /* Secrets that exist, as files: volumes, then mounts. */}}
{{- define "rejoin.volumes" -}}
{{- range .existingSecrets }}
- name: secret-{{ . | replace "." "-" }}
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "rejoin.mounts" -}}
{{- range .existingSecrets }}
- name: secret-{{ . | replace "." "-" }}
  mountPath: /run/secrets/{{ . }}
  readOnly: true
{{- end }}
{{- with .extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Where pods run. */}}
{{- define "rejoin.scheduling" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /*
The security of pod and container. `raw`: NET_RAW on the node's network. Kubernetes gives capabilities to root only, so the
process is root, without any other.
*/}}
{{- define "rejoin.podSecurity" -}}
runAsNonRoot: {{ not . }}
runAsUser: {{ ternary 0 10001 . }}
runAsGroup: {{ ternary 0 10001 . }}
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "rejoin.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
  {{- if . }}
  add: [NET_RAW]
  {{- end }}
{{- end }}
