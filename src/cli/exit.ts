/** Exit status of every command. */
export const exitCode = {
  /** Everything holds, or is as expected, and the search was complete. */
  holds: 0,
  /** A finding, or a verdict that was not expected. */
  finding: 1,
  /** Wrong use, or input that cannot be read. */
  usage: 2,
  /** A bound was hit or events were lost: neither proof nor finding. */
  inconclusive: 4,
  /** A bug of pagelife. */
  bug: 70,
  /** Ctrl-C. */
  interrupted: 130,
} as const;
