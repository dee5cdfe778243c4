// SPDX-License-Identifier: Apache-2.0
// The spotter in WebAssembly. The same file in a page, in an AudioWorklet and in node.

const STATUS = {
  "-3": "not an .lpb model",
  "-4": "written for another major version of the .lpb format",
  "-5": "written for a newer .lpb format: this page is older than the model",
  "-6": "the file is cut off",
  "-7": "something was appended to the file",
  "-8": "checksum mismatch: the file is damaged",
  "-9": "a field contradicts the .lpb format",
  "-10": "larger than this page can run",
  "-11": "trained with another front end",
};

export const FEATURES = 40;
export const FRAME_SECONDS = 0.01;
export const SAMPLE_RATE = 16000;

export class Spotter {
  /** module: a compiled WebAssembly.Module; model: the bytes of an .lpb. Throws Error, one line. */
  constructor(module, model) {
    this.instance = new WebAssembly.Instance(module, {});
    this.c = this.instance.exports;
    if (model.byteLength > this.c.model_room()) {
      throw new Error(`the model has ${model.byteLength} bytes, more than ${this.c.model_room()}`);
    }
    this._bytes(this.c.model_buffer(), model.byteLength).set(new Uint8Array(model));
    const status = this.c.open(model.byteLength);
    if (status < 0) throw new Error(STATUS[status] ?? `status ${status}`);
    this.labels = Array.from({ length: this.c.n_labels() }, (_, i) => this._label(i));
    this.keywords = this.labels.slice(0, this.c.n_keywords());
    this.layers = Array.from({ length: this.c.hidden_layers() }, (_, i) => this.c.units(i));
    this.ceiling = this.c.ceiling();
    this.wakeWords = this.c.wake_words();
    this.wake = this.c.wake();
  }

  /** Of the last frame, copied: what the pictures show. awake: frames left in which commands count
   *  behind a wake word. */
  frame() {
    return {
      features: this.features.slice(),
      posteriors: this.posteriors.slice(),
      activity: this.activity(),
      awake: this.c.awake(),
    };
  }

  _bytes(at, n) {
    return new Uint8Array(this.c.memory.buffer, at, n);
  }

  _label(i) {
    // TextDecoder is missing in AudioWorklets
    const bytes = this._bytes(this.c.label(i), this.c.label_length(i));
    const escaped = Array.from(bytes, (b) => "%" + b.toString(16).padStart(2, "0")).join("");
    try {
      return decodeURIComponent(escaped);
    } catch {
      return String.fromCharCode(...bytes.map((b) => (b < 128 ? b : 63)));
    }
  }

  threshold(keyword) {
    return this.c.threshold(keyword) / 32767;
  }

  setThreshold(keyword, posterior) {
    this.c.set_threshold(keyword, Math.round(posterior * 32767));
  }

  reset() {
    this.c.reset();
  }

  /** pcm: Int16Array at 16 kHz, any length. Calls onFrame() after each frame of 10 ms, when the
   *  getters below hold what it made, and returns the events: {t, keyword, score}. */
  push(pcm, onFrame = () => {}) {
    const room = this.c.pcm_room();
    const events = [];
    for (let at = 0; at < pcm.length; at += room) {
      const part = pcm.subarray(at, at + room);
      new Int16Array(this.c.memory.buffer, this.c.pcm_buffer(), part.length).set(part);
      for (let from = 0; from < part.length; from += this.c.used()) {
        const got = this.c.push(from, part.length);
        if (got < 0) throw new Error(`the runtime failed with status ${got}`);
        if (got & 2) {
          events.push({
            t: Math.round(this.c.event_middle() * FRAME_SECONDS * 100) / 100,
            keyword: this.labels[this.c.event_label()],
            score: this.c.event_score() / 32767,
          });
        }
        if (got & 1) onFrame();
      }
    }
    return events;
  }

  /** Of the last frame: log-mel features Q10, logits Q8, posteriors Q15. Views: copy to keep. */
  get features() {
    return new Int16Array(this.c.memory.buffer, this.c.features(), FEATURES);
  }

  get logits() {
    return new Int32Array(this.c.memory.buffer, this.c.logits(), this.labels.length);
  }

  get posteriors() {
    return new Uint16Array(this.c.memory.buffer, this.c.posteriors(), this.labels.length);
  }

  /** Of the last frame: a byte a neuron, layer by layer. 0..254: the root of its activation; 255:
   *  it spiked in the frame's last step. */
  activity() {
    const all = new Uint8Array(this.layers.reduce((a, b) => a + b, 0));
    let at = 0;
    this.layers.forEach((n, layer) => {
      const v = new Int32Array(this.c.memory.buffer, this.c.activity(layer), n);
      const s = this._bytes(this.c.spiking(layer), n);
      for (let i = 0; i < n; i++) {
        all[at + i] = s[i] ? 255 : Math.min(254, 254 * Math.sqrt(v[i] / this.ceiling));
      }
      at += n;
    });
    return all;
  }
}

/** What 32767 was divided by when int16 samples became floats: some browsers divide what is above 0
 *  by 32767 and the rest by 32768, others all by 32768. */
export function positiveScale(x) {
  const off = (scale) => {
    let sum = 0;
    for (const v of x) if (v > 0) sum += Math.abs(v * scale - Math.round(v * scale));
    return sum;
  };
  return off(32767) < off(32768) ? 32767 : 32768;
}

/** Float samples -1..1 to int16, rounded to nearest (a half to even) and clipped, as the host's. */
export function toInt16(x, positive = 32768) {
  const out = new Int16Array(x.length);
  for (let i = 0; i < x.length; i++) {
    const scaled = x[i] * (x[i] > 0 ? positive : 32768);
    let r = Math.round(scaled);
    if (Math.abs(scaled % 1) === 0.5 && r % 2) r -= 1;
    out[i] = Math.max(-32768, Math.min(32767, r));
  }
  return out;
}
