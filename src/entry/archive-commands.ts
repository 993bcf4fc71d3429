import { registerWith } from '../archive/cli.ts';

/** `lastro archive`, told which reports were issued. The code of reports is loaded only when it is asked. */
export const register = registerWith({
  issuedReports: async (db, orders) => (await import('../reports/reports.ts')).reportsThatMayHold(db, orders),
});
