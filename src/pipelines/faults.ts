/** Where a test may stop a run: each is a state of the world that a crash can leave behind. */
export type FaultPoint =
  | 'after-page'
  | 'at-bronze-commit'
  | 'after-bronze'
  | 'after-typing'
  | 'at-silver-commit'
  | 'between-layers'
  | 'at-gold-commit'
  | 'after-gold'
  /** Of a plan: its scratch branch is there; it has rows; it is about to be dropped. */
  | 'after-branch'
  | 'after-scratch'
  | 'before-drop';

/** Called at each named point; what it throws ends the run as a crash would. */
export type Fault = (point: FaultPoint) => void | Promise<void>;
