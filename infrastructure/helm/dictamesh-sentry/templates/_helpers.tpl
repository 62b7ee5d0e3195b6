{{- define "sentry.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "sentry.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/part-of: dictamesh-sentry
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "sentry.secretName" -}}
{{ .Values.existingSecret | default "sentry-secrets" }}
{{- end }}

{{/* What every role reads. The list goes on after it, so that a role can add variables of its own. */}}
{{- define "sentry.env" -}}
envFrom:
  - configMapRef: {name: sentry-config}
env:
  - name: SENTRY_CLICKHOUSE_PASSWORD
    valueFrom:
      secretKeyRef: {name: {{ include "sentry.secretName" . }}, key: CLICKHOUSE_PASSWORD}
{{- range list "SENTRY_SECRET_KEY" "SENTRY_DB_PASSWORD" }}
  - name: {{ . }}
    valueFrom:
      secretKeyRef: {name: {{ include "sentry.secretName" $ }}, key: {{ . }}}
{{- end }}
{{- range list "SENTRY_REDIS_PASSWORD" "SENTRY_KAFKA_SASL_PASSWORD" "SENTRY_EMAIL_PASSWORD" "SENTRY_FILESTORE_ACCESS_KEY" "SENTRY_FILESTORE_SECRET_KEY" "SENTRY_SELF_DSN" }}
  - name: {{ . }}
    valueFrom:
      secretKeyRef: {name: {{ include "sentry.secretName" $ }}, key: {{ . }}, optional: true}
{{- end }}
{{- end }}

{{- define "sentry.waitForSchema" -}}
# The migration Job brings the schemas; a role that starts earlier waits for it here.
- name: wait-for-schema
  image: {{ include "sentry.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [upgrade, --check, --wait, "600"]
  {{- include "sentry.env" . | nindent 2 }}
  resources:
    requests: {cpu: 50m, memory: 128Mi}
    limits: {cpu: 500m, memory: 256Mi}
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL]}
  volumeMounts:
    - {name: config, mountPath: /etc/sentry, readOnly: true}
    - {name: data, mountPath: /data}
    - {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "sentry.filesMount" -}}
{{- if eq .Values.files.backend "filesystem" -}}
- {name: files, mountPath: /files}
{{- end }}
{{- end }}

{{- define "sentry.filesVolume" -}}
{{- if eq .Values.files.backend "filesystem" -}}
- name: files
  persistentVolumeClaim: {claimName: sentry-files}
{{- end }}
{{- end }}

{{- define "sentry.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
