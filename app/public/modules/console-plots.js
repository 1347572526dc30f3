/* global document, getComputedStyle, matchMedia, ResizeObserver, uPlot */

/** Points kept of each line: ten minutes at one every two seconds. */
const MOST_POINTS = 300;

/** Short enough for the axis of a phone. */
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });

/** `1.5k` above a thousand, `12`, `3.4`, `0.25`. */
export function short(value) {
  if (value === null) return "–";
  if (value >= 10_000) return `${(value / 1000).toFixed(0)}k`;
  if (value >= 1000) return `${(value / 1000).toFixed(1)}k`;
  if (value >= 100 || Number.isInteger(value)) return value.toFixed(0);
  return value >= 1 ? value.toFixed(1) : value.toFixed(2);
}

/** A plot of several lines over time, with its values in words beside it: the picture alone tells nothing to who cannot see it. */
export class Plot {
  #times = [];
  #lines;
  #labels;
  #plot;
  #unit;
  #canvas;
  #figure;
  #resized;
  #colours = matchMedia("(prefers-color-scheme: dark)");
  #recolour = () => this.#plot.redraw(false);

  /**
   * @param parent element that the plot is added to
   * @param title what it shows
   * @param unit of all values; may be empty
   * @param lines names of the lines, at most five
   */
  constructor(parent, title, unit, lines) {
    this.#unit = unit === "per second" ? "/s" : unit;
    this.#lines = lines.map(() => []);
    const figure = document.createElement("figure");
    figure.className = "plot";
    const heading = document.createElement("h2");
    heading.textContent = unit === "" ? title : `${title}, ${unit}`;
    const list = document.createElement("ul");
    this.#labels = lines.map((line, index) => {
      const item = document.createElement("li");
      item.className = `series-${index + 1}`;
      const value = document.createElement("span");
      value.textContent = line;
      item.append(value);
      list.append(item);
      return { item, value, line };
    });
    this.#canvas = document.createElement("div");
    this.#canvas.className = "canvas";
    this.#canvas.setAttribute("role", "img");
    this.#canvas.setAttribute("aria-label", `${title} over the last minutes; the values now are in the list above`);
    const grid = document.createElement("i");
    grid.className = "grid";
    grid.hidden = true;
    figure.append(heading, list, grid, this.#canvas);
    parent.append(figure);
    this.#figure = figure;
    this.#draw(grid);
  }

  /** @param time milliseconds since 1970. @param values one a line, `null` where there is none */
  add(time, values) {
    this.#times.push(time / 1000);
    values.forEach((value, index) => this.#lines[index].push(value));
    for (const line of [this.#times, ...this.#lines]) if (line.length > MOST_POINTS) line.shift();
    this.#labels.forEach(({ value, line }, index) => {
      const now = values[index];
      value.textContent = `${line} ${short(now)}${now === null || this.#unit === "" ? "" : ` ${this.#unit}`}`;
    });
    this.#plot.setData([this.#times, ...this.#lines]);
  }

  /** Takes it off the page, with what it knows. */
  remove() {
    this.#resized.disconnect();
    this.#colours.removeEventListener("change", this.#recolour);
    this.#plot.destroy();
    this.#figure.remove();
  }

  #draw(grid) {
    // Colours are those of the page's style sheet, asked for at each drawing: they follow light and dark.
    const colourOf = (element) => () => getComputedStyle(element).color;
    const axis = {
      stroke: colourOf(this.#canvas),
      grid: { stroke: colourOf(grid), width: 1 },
      ticks: { show: false },
      font: "11px system-ui",
    };
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    this.#plot = new uPlot(
      {
        ...{
          width: Math.max(width, 50),
          height: Math.max(height, 50),
          legend: { show: false },
          cursor: { show: false },
          padding: [8, 8, 0, 0],
        },
        scales: { x: { time: true }, y: { range: (_plot, _least, most) => [0, Math.max(1, (most ?? 1) * 1.1)] } },
        axes: [
          { ...axis, space: 80, size: 24, values: (_plot, times) => times.map((time) => clock.format(time * 1000)) },
          { ...axis, space: 28, size: 44, values: (_plot, values) => values.map(short) },
        ],
        series: [{}, ...this.#labels.map(({ item, line }) => ({ label: line, stroke: colourOf(item), width: 2, points: { show: false } }))],
      },
      [this.#times, ...this.#lines],
      this.#canvas,
    );
    this.#resized = new ResizeObserver(() => {
      const size = { width: this.#canvas.clientWidth, height: this.#canvas.clientHeight };
      if (size.width > 0 && (size.width !== this.#plot.width || size.height !== this.#plot.height)) this.#plot.setSize(size);
    });
    this.#resized.observe(this.#canvas);
    this.#colours.addEventListener("change", this.#recolour);
  }
}
