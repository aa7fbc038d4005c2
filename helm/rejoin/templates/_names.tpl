{{- define "rejoin.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- /* RELEASE-rejoin, or RELEASE where that says rejoin already; room is left for what is put behind it. */}}
{{- define "rejoin.fullname" -}}
{{- $name := include "rejoin.name" . -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "rejoin.collector" -}}{{ include "rejoin.fullname" . }}-collector{{- end }}
{{- define "rejoin.agent" -}}{{ include "rejoin.fullname" . }}-agent{{- end }}

{{- define "rejoin.serviceAccount" -}}
{{- if .Values.serviceAccount.name }}{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create }}{{ include "rejoin.fullname" . }}
{{- else }}default
{{- end -}}
{{- end }}

{{- define "rejoin.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end -}}
{{- end -}}
{{- end }}

{{- /* By which pods of a component are found: list of root and component. */}}
{{- define "rejoin.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "rejoin.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- /* Labels of an object of a component: list of root and component. */}}
{{- define "rejoin.labels" -}}
{{- $root := index . 0 -}}
{{ include "rejoin.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Ports out of the collector's configuration, which alone says where it listens. */}}
{{- define "rejoin.adminPort" -}}{{ regexFind "[0-9]+$" (toString .Values.collector.config.admin.listen) }}{{- end }}
{{- define "rejoin.udpPorts" -}}
{{- range .Values.collector.config.listen.udp }}{{ regexFind "[0-9]+$" (toString .) }} {{ end -}}
{{- end }}
