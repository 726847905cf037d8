{{/* Settings are environment variables. Secrets come by reference: as variables, or as files where the program reads files. */}}
{{- define "lowcap-cdc.env" -}}
- {name: LOWCAP_CDC_POSTGRES, value: {{ .Values.postgres.dsn | quote }}}
{{- with .Values.postgres.passwordSecret }}{{ if .name }}
- name: PGPASSWORD
  valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
{{- end }}{{ end }}
{{- if .Values.postgres.caSecret.name }}
- {name: PGSSLROOTCERT, value: /etc/lowcap-cdc/postgres-ca/ca.crt}
{{- end }}
- {name: LOWCAP_CDC_SINK, value: {{ printf "kafka://%s" (join "," .Values.kafka.brokers) | quote }}}
{{- with .Values.kafka.tls }}{{ if .enabled }}
- {name: LOWCAP_CDC_KAFKA_TLS, value: "true"}
{{- if .caSecret.name }}
- {name: LOWCAP_CDC_KAFKA_CA, value: /etc/lowcap-cdc/kafka-ca/ca.crt}
{{- end }}
{{- if .clientSecret.name }}
- {name: LOWCAP_CDC_KAFKA_CERT, value: /etc/lowcap-cdc/kafka-client/tls.crt}
- {name: LOWCAP_CDC_KAFKA_KEY, value: /etc/lowcap-cdc/kafka-client/tls.key}
{{- end }}
{{- end }}{{ end }}
{{- with .Values.kafka.sasl }}{{ if .mechanism }}
- {name: LOWCAP_CDC_KAFKA_SASL, value: {{ .mechanism }}}
- {name: LOWCAP_CDC_KAFKA_USER, value: {{ .user | quote }}}
- {name: LOWCAP_CDC_KAFKA_PASSWORD_FILE, value: /etc/lowcap-cdc/kafka-password/password}
{{- end }}{{ end }}
- {name: LOWCAP_CDC_SLOT, value: {{ .Values.slot | quote }}}
- {name: LOWCAP_CDC_PUBLICATION, value: {{ .Values.publication | quote }}}
- {name: LOWCAP_CDC_SCHEMA, value: {{ .Values.schema | quote }}}
- {name: LOWCAP_CDC_TOPIC_PREFIX, value: {{ .Values.topicPrefix | quote }}}
- {name: LOWCAP_CDC_LOG_LEVEL, value: {{ .Values.log.level | quote }}}
- {name: LOWCAP_CDC_LOG_FORMAT, value: {{ .Values.log.format | quote }}}
- {name: LOWCAP_CDC_HTTP, value: "0.0.0.0:9187"}
{{- end }}

{{- define "lowcap-cdc.mounts" -}}
{{- if .Values.postgres.caSecret.name }}
- {name: postgres-ca, mountPath: /etc/lowcap-cdc/postgres-ca, readOnly: true}
{{- end }}
{{- if and .Values.kafka.tls.enabled .Values.kafka.tls.caSecret.name }}
- {name: kafka-ca, mountPath: /etc/lowcap-cdc/kafka-ca, readOnly: true}
{{- end }}
{{- if and .Values.kafka.tls.enabled .Values.kafka.tls.clientSecret.name }}
- {name: kafka-client, mountPath: /etc/lowcap-cdc/kafka-client, readOnly: true}
{{- end }}
{{- if .Values.kafka.sasl.mechanism }}
- {name: kafka-password, mountPath: /etc/lowcap-cdc/kafka-password, readOnly: true}
{{- end }}
{{- end }}

{{- define "lowcap-cdc.volumes" -}}
{{- with .Values.postgres.caSecret }}{{ if .name }}
- name: postgres-ca
  secret: {secretName: {{ .name }}, items: [{key: {{ .key }}, path: ca.crt}]}
{{- end }}{{ end }}
{{- with .Values.kafka.tls }}{{ if and .enabled .caSecret.name }}
- name: kafka-ca
  secret: {secretName: {{ .caSecret.name }}, items: [{key: {{ .caSecret.key }}, path: ca.crt}]}
{{- end }}{{ if and .enabled .clientSecret.name }}
- name: kafka-client
  secret: {secretName: {{ .clientSecret.name }}, defaultMode: 0440}
{{- end }}{{ end }}
{{- with .Values.kafka.sasl }}{{ if .mechanism }}
- name: kafka-password
  secret: {secretName: {{ .passwordSecret.name }}, defaultMode: 0440, items: [{key: {{ .passwordSecret.key }}, path: password}]}
{{- end }}{{ end }}
{{- end }}
