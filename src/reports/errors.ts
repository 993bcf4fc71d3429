/** The viewer may not have this report. The message says which right is missing, and never what the data holds. */
export class ReportDeniedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ReportDeniedError';
  }
}

/** The report does not fit the format. Trying again does not help; another format, or a narrower request, does. */
export class ReportTooLargeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ReportTooLargeError';
  }
}

/** Written and counted rows differ: no file is given out. */
export class ReportIncompleteError extends Error {
  constructor(expectedRows: number, rows: number) {
    super(
      `expected ${expectedRows} rows by the count, found ${rows} written; the file was removed, make the report again`,
    );
    this.name = 'ReportIncompleteError';
  }
}
