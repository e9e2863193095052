"""Export over OTLP/HTTP. Only this package imports OpenTelemetry's SDK, and only processes that export do."""
