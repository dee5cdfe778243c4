// SPDX-License-Identifier: Apache-2.0
// The page: a model, a source of sound, three pictures, a list of what was heard.
//
// ?audio=URL runs a recording at once, ?model=URL takes another model; both from this server.

import { FEATURES, SAMPLE_RATE, Spotter, positiveScale, toInt16 } from "./spotter.js";
import { Curves, Raster, SPIKES, colours, heat } from "./picture.js";

const $ = (id) => document.getElementById(id);
const SLICE = SAMPLE_RATE / 5; // samples of a recording that are heard between two pictures

let module, modelBytes, thresholds, spectrogram, activity, curves;
let source = null; // what is being heard: {stop()}
let pending = [];

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").className = bad ? "bad" : "";
}

function useModel(bytes, name) {
  const spotter = new Spotter(module, bytes); // throws before anything is changed
  source?.stop();
  modelBytes = bytes;
  thresholds = spotter.keywords.map((_, i) => spotter.threshold(i));
  const colour = colours(spotter.keywords.length);
  spectrogram = new Raster($("spectrogram"), FEATURES);
  activity = new Raster($("activity"), spotter.layers.reduce((a, b) => a + b, 0));
  curves = new Curves($("posteriors"), colour);
  curves.thresholds = thresholds;
  $("heard").replaceChildren();
  $("knobs").replaceChildren(...spotter.keywords.map((word, i) => knob(word, i, colour[i])));
  say(`${name}: listens for ${spotter.keywords.join(", ")}`);
}

function knob(word, i, colour) {
  const row = document.createElement("div");
  row.className = "knob";
  const label = document.createElement("label");
  const dot = document.createElement("i");
  dot.style.background = colour;
  label.append(dot, word);
  label.htmlFor = `threshold-${i}`;
  const range = Object.assign(document.createElement("input"), {
    type: "range", id: label.htmlFor, min: 0.05, max: 1, step: 0.01, value: thresholds[i],
  });
  const shown = document.createElement("output");
  shown.textContent = thresholds[i].toFixed(2);
  range.oninput = () => {
    thresholds[i] = Number(range.value);
    shown.textContent = thresholds[i].toFixed(2);
    source?.threshold(i, thresholds[i]);
  };
  row.append(label, range, shown);
  return row;
}

function show({ frames, events }) {
  pending.push(...frames);
  for (const e of events) {
    const item = document.createElement("li");
    const word = document.createElement("strong");
    word.textContent = e.keyword;
    const when = document.createElement("span");
    when.textContent = `${e.t.toFixed(2)} s · ${e.score.toFixed(2)}`;
    item.dataset.event = JSON.stringify(e);
    item.append(word, when);
    $("heard").prepend(item);
  }
}

function draw() {
  requestAnimationFrame(draw);
  if (!curves) return;
  if (pending.length) {
    spectrogram.add(pending.map((f) => heat(f.features)));
    activity.add(pending.map((f) => f.activity), SPIKES);
    curves.add(pending.map((f) => f.posteriors));
    pending = [];
  }
  curves.draw();
}

function started(stop, threshold) {
  source = {
    threshold,
    stop() {
      stop();
      source = null;
      $("mic").textContent = "Listen to the microphone";
    },
  };
}

async function listen() {
  if (source) {
    source.stop();
    say("Stopped.");
    return;
  }
  let stream, context;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false,
               autoGainControl: false },
    });
    // the browser resamples to this context's rate
    context = new AudioContext({ sampleRate: SAMPLE_RATE });
    await context.audioWorklet.addModule("worklet.js");
    const node = new AudioWorkletNode(context, "listener", {
      numberOfOutputs: 0,
      processorOptions: { module, model: modelBytes, thresholds },
    });
    node.port.onmessage = ({ data }) => show(data);
    context.createMediaStreamSource(stream).connect(node);
    await context.resume();
    const stop = () => {
      node.port.postMessage({ stop: true });
      stream.getTracks().forEach((t) => t.stop());
      context.close();
    };
    stream.getAudioTracks()[0].onended = () => {
      source?.stop();
      say("The microphone has gone. Plug it in and listen again.", true);
    };
    started(stop, (keyword, threshold) => node.port.postMessage({ keyword, threshold }));
    $("mic").textContent = "Stop";
    say(`Listening to ${stream.getAudioTracks()[0].label || "the microphone"} …`);
  } catch (e) {
    stream?.getTracks().forEach((t) => t.stop());
    context?.close();
    const why = {
      NotAllowedError: "The microphone was denied. Allow it in the address bar and try again.",
      NotFoundError: "No microphone was found. Plug one in, or drop a recording on this page.",
      NotReadableError: "Another program holds the microphone. Close it and try again.",
      NotSupportedError: "This browser cannot give the microphone 16 kHz; drop a recording here.",
    }[e.name];
    say(why ?? `The microphone cannot be used: ${e.message}`, true);
  }
}

function mixed(sound) {
  if (sound.numberOfChannels === 1) return sound.getChannelData(0);
  const mono = new Float32Array(sound.length);
  for (let c = 0; c < sound.numberOfChannels; c++) {
    const channel = sound.getChannelData(c);
    for (let i = 0; i < mono.length; i++) mono[i] += channel[i] / sound.numberOfChannels;
  }
  return mono;
}

async function hear(bytes, name) {
  source?.stop();
  let sound;
  try {
    const context = new OfflineAudioContext(1, 1, SAMPLE_RATE);
    sound = await context.decodeAudioData(bytes);
  } catch {
    say(`${name} is not a recording that this browser can read.`, true);
    return;
  }
  const mono = mixed(sound);
  const tail = new Int16Array(2 * SAMPLE_RATE); // so that the last word is decided too
  const pcm = Int16Array.from([...toInt16(mono, positiveScale(mono)), ...tail]);
  const spotter = new Spotter(module, modelBytes);
  thresholds.forEach((x, i) => spotter.setThreshold(i, x));
  let going = true;
  started(() => (going = false), (keyword, x) => spotter.setThreshold(keyword, x));
  let found = 0;
  const digest = { features: 0, logits: 0 }; // sums modulo 2^32: two machines can be compared
  for (let at = 0; at < pcm.length && going; at += SLICE) {
    const frames = [];
    const events = spotter.push(pcm.subarray(at, at + SLICE), () => {
      const features = spotter.features.slice();
      for (const x of features) digest.features = (Math.imul(digest.features, 31) + x) | 0;
      for (const x of spotter.logits) digest.logits = (Math.imul(digest.logits, 31) + x) | 0;
      if (at >= mono.length) return; // the tail is no part of the picture
      frames.push({
        features,
        posteriors: spotter.posteriors.slice(),
        activity: spotter.activity(),
      });
    });
    found += events.length;
    show({ frames, events });
    say(`${name}: ${Math.min(at + SLICE, mono.length) / SAMPLE_RATE} s heard`);
    await new Promise((done) => setTimeout(done));
  }
  if (!going) return;
  source.stop();
  Object.assign(document.body.dataset, { ...digest, done: "1" });
  say(`${name}: ${(mono.length / SAMPLE_RATE).toFixed(1)} s heard, ${found} detections.`);
}

async function open(file) {
  try {
    const bytes = await file.arrayBuffer();
    if (file.name.endsWith(".lpb")) useModel(bytes, file.name);
    else await hear(bytes, file.name);
  } catch (e) {
    say(`${file.name}: ${e.message}`, true);
  }
}

async function get(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
  return answer.arrayBuffer();
}

async function start() {
  $("mic").onclick = listen;
  for (const id of ["recording", "model"]) {
    $(id).onchange = () => $(id).files[0] && open($(id).files[0]);
  }
  document.body.ondragover = (e) => {
    e.preventDefault();
    document.body.classList.add("drop");
  };
  document.body.ondragleave = () => document.body.classList.remove("drop");
  document.body.ondrop = (e) => {
    e.preventDefault();
    document.body.classList.remove("drop");
    if (e.dataTransfer.files[0]) open(e.dataTransfer.files[0]);
  };
  const asked = new URLSearchParams(location.search);
  const name = asked.get("model") ?? "model.lpb";
  try {
    module = await WebAssembly.compile(await get("edge_lp.wasm"));
    const bytes = await get(name);
    try {
      useModel(bytes, name);
    } catch (e) {
      throw new Error(`${name}: ${e.message}`);
    }
    draw();
    const recording = asked.get("audio");
    if (recording) await hear(await get(recording), recording);
  } catch (e) {
    say(e.message, true);
  }
}

start();
