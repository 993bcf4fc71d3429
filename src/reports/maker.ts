import type { FieldViolation } from '../platform/problem.ts';
import type {
  ProducedReport,
  ProduceInput,
  ProduceOptions,
  ReportKindDescription,
  ReportRequest,
  ReportViewer,
} from './contract.ts';

/** The making of a file, as the flow around it needs it. */
export type ReportMaker = {
  readonly kinds: readonly ReportKindDescription[];
  readonly parse: (
    input: unknown,
  ) =>
    | { readonly request: ReportRequest; readonly violations: readonly FieldViolation[] }
    | { readonly request: null; readonly violations: readonly FieldViolation[] };
  /** Why the viewer may not have this report; null where they may. */
  readonly authorize: (request: ReportRequest, viewer: ReportViewer) => string | null;
  /** @throws ReportDeniedError, ReportTooLargeError; anything else is a failure that another try may mend */
  readonly produce: (input: ProduceInput, options: ProduceOptions) => Promise<ProducedReport>;
};
