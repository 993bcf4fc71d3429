import { type Attributes, context, propagation, type Span, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';

/**
 * Sends traces to an OTLP collector. Without this call the OpenTelemetry API is a no-op, so the rest of the
 * code opens spans without asking whether tracing is on.
 */
export const startTelemetry = ({
  endpoint,
  service,
}: {
  endpoint: string;
  service: string;
}): { close: () => Promise<void> } => {
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/$/, '')}/v1/traces`,
    // A collector that is away must not hold up the end of the process, which sends what is left.
    timeoutMillis: 3_000,
  });
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  provider.register();
  return {
    close: async () => {
      trace.disable();
      context.disable();
      propagation.disable();
      await provider.shutdown().catch(() => {});
    },
  };
};

/** Runs `work` in a span that ends with it and carries its failure. Attributes never hold personal data. */
export const traced = <T>(
  name: string,
  attributes: Attributes,
  work: (span: Span) => Promise<T>,
): Promise<T> =>
  trace.getTracer('lastro').startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      span.setStatus({
        code: SpanStatusCode.ERROR,
        message: error instanceof Error ? error.name : 'unknown',
      });
      throw error;
    } finally {
      span.end();
    }
  });
