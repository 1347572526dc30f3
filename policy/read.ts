import { NotKnown, UNKNOWN, valueOrUnknown, type Section } from "./graph";

/** The value at a path such as `a.b[0].c`, undefined where there is none. @throws NotKnown when it, or what it is in, is not known yet */
export function read(section: Section, path: string): unknown {
  const value = valueOrUnknown(section, path);
  if (value === UNKNOWN) throw new NotKnown(`${section.at ?? ""}${path}`);
  return value;
}

/**
 * Whether there is a value; one that is not known yet is one, because something was given. Empty texts and lists are none.
 * @throws NotKnown when what the value would be in is not known yet
 */
export function isGiven(section: Section, path: string): boolean {
  const parent = path.slice(0, Math.max(path.lastIndexOf("."), path.lastIndexOf("["), 0));
  if (parent !== "") read(section, parent);
  const value = valueOrUnknown(section, path);
  return value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0);
}

/** A text, "" where there is none. */
export function text(section: Section, path: string): string {
  const value = read(section, path);
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}

/** A number, or one written as text; undefined where there is none. */
export function number(section: Section, path: string): number | undefined {
  const value = read(section, path);
  const parsed = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof parsed === "number" && !Number.isNaN(parsed) ? parsed : undefined;
}

/** A switch; absent is off. */
export function flag(section: Section, path: string): boolean {
  const value = read(section, path);
  return value === true || value === "true";
}

/** The texts of a list, none where there is no list. @throws NotKnown when the list or one of its entries is not known yet */
export function texts(section: Section, path: string): string[] {
  const value = read(section, path);
  const list = Array.isArray(value) ? value : value === undefined ? [] : [value];
  return list.map((_, index) => (Array.isArray(value) ? text(section, `${path}[${index}]`) : text(section, path)));
}

/** The objects of a list as sections of their own; a single object counts as a list of one. */
export function items(section: Section, path: string): Section[] {
  const value = read(section, path);
  if (value === undefined) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item, index) => {
    const at = `${section.at ?? ""}${path}${Array.isArray(value) ? `[${index}]` : ""}`;
    if (item === UNKNOWN) throw new NotKnown(at);
    return { inputs: item as Record<string, unknown>, at: `${at}.` };
  });
}

/** A JSON document, given as text or as an object; undefined where there is none. @throws SyntaxError for text that is no JSON */
export function json(section: Section, path: string): unknown {
  const value = read(section, path);
  return typeof value === "string" ? (JSON.parse(value) as unknown) : value;
}
