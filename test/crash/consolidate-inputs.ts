import { type Domain, parseDomain } from '../../src/consolidate/domain-models.ts';
import { defaultLimits } from '../../src/consolidate/limits.ts';

export const crashDomains: readonly Domain[] = [
  parseDomain(
    'by_topic.sql',
    "-- key: day, topic\nSELECT day, coalesce(topic, 'none') AS topic, count(*) AS n FROM events GROUP BY ALL",
  ),
];

/** Two files a batch, so that a run is several commits. */
export const crashLimits = { ...defaultLimits, batchFiles: 2 };
