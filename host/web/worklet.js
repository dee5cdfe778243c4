// SPDX-License-Identifier: Apache-2.0
// The microphone's samples through the runtime, on the audio thread. The page gets what was found.

import { Spotter, toInt16 } from "./spotter.js";

const FRAMES_A_MESSAGE = 4;

class Listener extends AudioWorkletProcessor {
  constructor({ processorOptions: { module, model, thresholds } }) {
    super();
    this.spotter = new Spotter(module, model);
    thresholds.forEach((x, i) => this.spotter.setThreshold(i, x));
    this.frames = [];
    this.events = [];
    this.stopped = false;
    this.port.onmessage = ({ data }) => {
      if (data.stop) this.stopped = true;
      else this.spotter.setThreshold(data.keyword, data.threshold);
    };
  }

  process([input]) {
    if (this.stopped) return false;
    if (!input.length) return true; // nothing is connected yet
    this.events.push(
      ...this.spotter.push(toInt16(input[0]), () => this.frames.push(this.spotter.frame())),
    );
    if (this.frames.length >= FRAMES_A_MESSAGE) {
      this.port.postMessage({ frames: this.frames, events: this.events });
      this.frames = [];
      this.events = [];
    }
    return true;
  }
}

registerProcessor("listener", Listener);
