/** A line of a table: the text of each column. */
export type Row<Column extends string> = Readonly<Record<Column, string>>;

/** Lines of a table for people: the titles, then the rows, columns as wide as their widest text; numbers to the right. */
export function tableLines<Column extends string>(
  columns: readonly Column[],
  numbers: readonly Column[],
  rows: readonly Row<Column>[],
): string[] {
  const titles: Partial<Record<Column, string>> = {};
  for (const column of columns) titles[column] = column;
  const all = [titles as Row<Column>, ...rows];
  const width = (column: Column): number => Math.max(...all.map((row) => row[column].length));
  const widths = new Map(columns.map((column) => [column, width(column)]));
  const cell = (row: Row<Column>, column: Column): string => {
    const wide = widths.get(column) ?? 0;
    return numbers.includes(column) ? row[column].padStart(wide) : row[column].padEnd(wide);
  };
  return all.map((row) =>
    columns
      .map((column) => cell(row, column))
      .join("  ")
      .trimEnd(),
  );
}
