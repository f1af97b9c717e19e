const CAUSES = 3;

/** One line that says what went wrong and what was behind it: the messages of an error and its causes, each once. */
export function reasonOf(error: unknown): string {
  const told: string[] = [];
  for (let at = error; at !== undefined && told.length <= CAUSES; at = at instanceof Error ? at.cause : undefined) {
    const message = at instanceof Error ? at.message : String(at);
    if (!told.some((earlier) => earlier.includes(message))) told.push(message);
  }
  return told.join(': ');
}
