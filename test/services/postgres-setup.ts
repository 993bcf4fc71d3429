/** Starts what the suites share. */
export default (): void => {};
