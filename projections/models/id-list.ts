/**
 * Ids as one text, for a query's parameter: of an array the driver looks at each character for some to escape, and ids,
 * made of letters, digits and `_`, have none.
 */
export function idList(ids: readonly string[]): string {
  return ids.join(' ');
}

/** SQL: the array of the ids in the parameter with that number, which `idList` made. */
export function idsIn(parameter: number): string {
  return `string_to_array($${String(parameter)}, ' ')`;
}
