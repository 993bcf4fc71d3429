export { authorize } from './access.ts';
export { openReportMaker, publicUrl, reportLimits } from './configured.ts';
export { ReportDeniedError, ReportIncompleteError, ReportTooLargeError } from './errors.ts';
export { reportsThatMayHold } from './held-orders.ts';
export { reportKinds } from './kinds.ts';
export type { ReportLimits } from './limits.ts';
export type { ReportMaker } from './maker.ts';
export { produceReport } from './produce.ts';
export { type ParsedReportRequest, parseReportRequest, reportRequestSchema } from './request.ts';
