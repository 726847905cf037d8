{{- define "lowcap-cdc.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "lowcap-cdc.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "lowcap-cdc.labels" -}}
{{ include "lowcap-cdc.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The limit follows from the bound in docs/guarantees.md, "How much memory". */}}
{{- define "lowcap-cdc.resources" -}}
{{- $rows := div (mul 2 .Values.sizing.knownRows) 1000 }}
{{- $limit := printf "%dMi" (add 128 (div (mul 11 .Values.sizing.largestRowMB) 10) $rows) }}
{{- $resources := deepCopy .Values.resources }}
{{- $_ := set $resources "limits" (merge (default dict $resources.limits) (dict "memory" $limit)) }}
{{- toYaml $resources }}
{{- end }}
