// SPDX-License-Identifier: Apache-2.0
// Three pictures that scroll: a column a frame of 10 ms, the newest at the right.

export const COLUMNS = 600; // 6 s

/** A colour map from dark violet over red to pale yellow, 256 RGB triples. */
const HEAT = Array.from({ length: 256 }, (_, i) => {
  const x = i / 255;
  const r = Math.min(1, Math.max(0, 1.6 * x - 0.12));
  const g = Math.min(1, Math.max(0, 1.9 * x - 0.85));
  const b = Math.min(1, 0.1 + 1.5 * x * (1 - x) * (x < 0.5 ? 1.4 : 1) + Math.max(0, 4 * (x - 0.85)));
  return [r, g, b].map((c) => Math.round(255 * c));
});

/** Rows of bytes, drawn as an image that grows to the right and scrolls. */
export class Raster {
  constructor(canvas, rows) {
    canvas.width = COLUMNS;
    canvas.height = rows;
    this.context = canvas.getContext("2d", { willReadFrequently: false });
    this.rows = rows;
    this.column = this.context.createImageData(1, rows);
    this.context.fillStyle = "#0b0b12";
    this.context.fillRect(0, 0, COLUMNS, rows);
  }

  /** columns: arrays of `rows` bytes, the first row at the top. */
  add(columns, colour = HEAT) {
    const { context, rows, column } = this;
    const n = Math.min(columns.length, COLUMNS);
    if (!n) return;
    context.drawImage(context.canvas, -n, 0);
    columns.slice(-n).forEach((values, k) => {
      for (let i = 0; i < rows; i++) {
        column.data.set(colour[values[i]], 4 * i);
        column.data[4 * i + 3] = 255;
      }
      context.putImageData(column, COLUMNS - n + k, 0);
    });
  }
}

/** Log-mel features Q10 -> bytes, the highest band first. */
export function heat(features) {
  const n = features.length;
  return Uint8Array.from(features, (_, i) =>
    Math.max(0, Math.min(255, ((features[n - 1 - i] / 1024 + 6) / 10) * 255)),
  );
}

/** Activations in one hue, spikes white. */
export const SPIKES = Array.from({ length: 256 }, (_, i) =>
  i === 255 ? [255, 255, 255] : [11 + i * 0.25, 11 + i * 0.62, 18 + i * 0.75].map(Math.round),
);

export function colours(n) {
  return Array.from({ length: n }, (_, i) => `hsl(${Math.round((i * 360) / n + 14)} 72% 52%)`);
}

/** Posterior curves with their thresholds; commands are faint where they do not count, asleep. */
export class Curves {
  constructor(canvas, colour, wakeWords) {
    this.canvas = canvas;
    this.colour = colour;
    this.wakeWords = wakeWords;
    this.history = [];
    this.thresholds = [];
  }

  /** frames: {posteriors Q15, awake}. */
  add(frames) {
    this.history.push(...frames);
    this.history.splice(0, Math.max(0, this.history.length - COLUMNS));
  }

  draw() {
    const { canvas, history, colour } = this;
    const scale = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const c = canvas.getContext("2d");
    c.scale(scale, scale);
    const style = getComputedStyle(document.documentElement);
    const y = (p) => height - 4 - (p / 32767) * (height - 8);
    c.strokeStyle = style.getPropertyValue("--line");
    for (const p of [0, 0.5, 1]) {
      c.beginPath();
      c.moveTo(0, y(p * 32767));
      c.lineTo(width, y(p * 32767));
      c.stroke();
    }
    const x = (i) => ((COLUMNS - history.length + i) / COLUMNS) * width;
    colour.forEach((stroke, label) => {
      if (!history.some(({ posteriors }) => posteriors[label] > 1600)) return;
      const faint = ({ awake }) => label >= this.wakeWords && this.wakeWords > 0 && !awake;
      c.strokeStyle = stroke;
      c.lineWidth = 2;
      c.setLineDash([]);
      history.forEach((frame, i) => {
        const before = history[i - 1];
        if (before && faint(before) === faint(frame)) {
          c.lineTo(x(i), y(frame.posteriors[label]));
          return;
        }
        if (before) c.stroke();
        c.beginPath();
        c.globalAlpha = faint(frame) ? 0.3 : 1;
        if (before) c.moveTo(x(i - 1), y(before.posteriors[label]));
        c.lineTo(x(i), y(frame.posteriors[label]));
      });
      c.stroke();
      c.globalAlpha = 1;
      c.lineWidth = 1;
      c.setLineDash([4, 4]);
      c.beginPath();
      c.moveTo(0, y(this.thresholds[label] * 32767));
      c.lineTo(width, y(this.thresholds[label] * 32767));
      c.stroke();
    });
  }
}
