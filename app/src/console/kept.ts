/** A value that is looked up when somebody asks and it is older than `ageMs`; who asks meanwhile shares the look. Failures are not kept. */
export class Kept<Value> {
  #value: Promise<Value> | undefined;
  #until = -Infinity;

  constructor(
    private readonly ageMs: number,
    private readonly look: () => Promise<Value>,
  ) {}

  get(): Promise<Value> {
    if (this.#value !== undefined && performance.now() < this.#until) return this.#value;
    const value = this.look();
    this.#value = value;
    // While it is looked up it is nobody's to repeat, however long that takes.
    this.#until = Infinity;
    value.then(
      () => (this.#until = performance.now() + this.ageMs),
      () => (this.#value = undefined),
    );
    return value;
  }
}
