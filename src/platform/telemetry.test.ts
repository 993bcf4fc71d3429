import { trace } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { startCollector } from '../../test/services/collector.ts';
import { startTelemetry, traced } from './telemetry.ts';

const isRecording = (): Promise<boolean> => traced('look', {}, async (span) => span.isRecording());

describe('traces', () => {
  it('are off unless they are started', async () => {
    expect(await isRecording()).toBe(false);
    expect(trace.getActiveSpan()).toBeUndefined();
  });

  it('are sent with their names, attributes, parents and failures, the last of them at the end', async () => {
    const collector = await startCollector();
    const telemetry = startTelemetry({ endpoint: `${collector.endpoint}/`, service: 'lastro-test' });
    await traced('outer', { 'job.id': 'j1' }, async () => {
      await traced('inner', {}, async () => {
        throw new TypeError('said to nobody: 52998224725');
      }).catch(() => {});
    });
    await telemetry.close();
    const [inner, outer] = collector.spans;
    expect(outer).toMatchObject({
      service: 'lastro-test',
      name: 'outer',
      attributes: { 'job.id': 'j1' },
      status: 0,
    });
    expect(inner).toMatchObject({
      name: 'inner',
      status: 2,
      traceId: outer?.traceId,
      parentSpanId: outer?.spanId,
    });
    expect(JSON.stringify(collector.spans)).not.toContain('52998224725');
    expect(await isRecording()).toBe(false);
    await collector.close();
  });

  it('hold nothing up where no collector answers', async () => {
    const telemetry = startTelemetry({ endpoint: 'http://127.0.0.1:9', service: 'lastro-test' });
    expect(await traced('work', {}, async () => 'done')).toBe('done');
    await telemetry.close();
  });
});
