// SPDX-License-Identifier: Apache-2.0
// The page: a source of sound, three pictures, a list of what was heard, thresholds.
//
// ?audio=URL runs a recording at once, ?model=URL takes another model; both from this server.
// #TOKEN, as `edge-lp listen --web` prints it: what that listens to.

import { FEATURES, FRAME_SECONDS, Spotter } from "./spotter.js";
import { COLUMNS, Curves, Raster, SPIKES, colours, heat } from "./picture.js";
import { host, microphone, recording } from "./sources.js";

const $ = (id) => document.getElementById(id);
const HEARD = 500; // detections that are listed
const token = location.hash.slice(1);

let module, modelBytes; // absent where edge-lp listens and no WebAssembly was built
let heads = null; // {keywords, layers, wakeWords, wake}: what is shown
let thresholds, spectrogram, activity, curves;
let source = null; // what is being heard: {stop(), threshold(keyword, posterior)}
let pending = [];
let armed = null;

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").className = bad ? "bad" : "";
}

/** A new set of words: empty pictures, no detections, their thresholds. neurons may be 0. */
function prepare(words, neurons, values) {
  heads = words;
  thresholds = [...values];
  const colour = colours(words.keywords.length);
  spectrogram = new Raster($("spectrogram"), FEATURES);
  $("neurons").hidden = !neurons;
  activity = neurons ? new Raster($("activity"), neurons) : null;
  curves = new Curves($("posteriors"), colour, words.wakeWords);
  curves.thresholds = thresholds;
  pending = [];
  $("heard").replaceChildren();
  $("knobs").replaceChildren(...words.keywords.map((word, i) => knob(word, i, colour[i])));
  $("armed").hidden = !words.wakeWords;
  armed = null;
  arm(0);
}

function useModel(bytes, name) {
  const spotter = new Spotter(module, bytes); // throws before anything is changed
  stop();
  modelBytes = bytes;
  prepare(
    spotter,
    spotter.layers.reduce((a, b) => a + b, 0),
    spotter.keywords.map((_, i) => spotter.threshold(i)),
  );
  say(`${name}: listens for ${spotter.keywords.join(", ")}`);
}

function knob(word, i, colour) {
  const row = document.createElement("div");
  row.className = "knob";
  const label = document.createElement("label");
  const dot = document.createElement("i");
  dot.style.background = colour;
  label.append(dot, word);
  label.title = i < heads.wakeWords ? `${word}: wakes` : word;
  label.htmlFor = `threshold-${i}`;
  const range = Object.assign(document.createElement("input"), {
    type: "range", id: label.htmlFor, min: 0.05, max: 1, step: 0.01, value: thresholds[i],
  });
  const shown = document.createElement("output");
  shown.textContent = thresholds[i].toFixed(2);
  range.oninput = () => {
    moved(i, Number(range.value));
    source?.threshold(i, thresholds[i]);
  };
  row.append(label, range, shown);
  return row;
}

function moved(i, value) {
  thresholds[i] = value;
  const [, range, shown] = $("knobs").children[i].children;
  range.value = value;
  shown.textContent = value.toFixed(2);
}

/** awake: frames left in which commands count. The words change only when the state does: they are
 *  read out. */
function arm(awake) {
  if (!heads.wakeWords) return;
  $("left").style.width = `${heads.wake ? Math.min(100, (100 * awake) / heads.wake) : 0}%`;
  if (armed === awake > 0) return;
  armed = awake > 0;
  $("armed").classList.toggle("on", armed);
  const wakes = heads.keywords.slice(0, heads.wakeWords).join(" or ");
  const seconds = heads.wake * FRAME_SECONDS;
  $("state").textContent = armed ? "Awake: say a command" : `Asleep: “${wakes}” wakes it`;
  $("armed").title = `Commands count for ${seconds} s behind “${wakes}”.`;
}

function show({ frames, events }) {
  for (const frame of frames) arm(frame.awake);
  pending.push(...frames);
  if (pending.length > COLUMNS) pending.splice(0, pending.length - COLUMNS); // a hidden page
  for (const e of events) {
    const item = document.createElement("li");
    const word = document.createElement("strong");
    word.textContent = e.keyword;
    const when = document.createElement("span");
    when.textContent = `${e.t.toFixed(2)} s · ${e.score.toFixed(2)}`;
    item.dataset.event = JSON.stringify(e);
    item.append(word, when);
    $("heard").prepend(item);
    while ($("heard").children.length > HEARD) $("heard").lastChild.remove();
  }
}

function draw() {
  requestAnimationFrame(draw);
  if (!curves) return;
  if (pending.length) {
    spectrogram.add(pending.map((f) => heat(f.features)));
    activity?.add(pending.map((f) => f.activity), SPIKES);
    curves.add(pending);
    pending = [];
  }
  curves.draw();
}

// ------------------------------------------------------------------------------------- sources --

/** What a source gets: what it hears with, and where things go. */
const page = {
  get module() { return module; },
  get model() { return modelBytes; },
  show,
  say,
  /** It is over by itself; why, if something is wrong. */
  ended(why) {
    stop();
    if (why) say(why, true);
  },
  done: (digest) => Object.assign(document.body.dataset, { ...digest, done: "1" }),
};

const BUTTONS = { mic: "Listen to the microphone", host: "Listen with edge-lp" };

function stop() {
  source?.stop();
  source = null;
  for (const [id, text] of Object.entries(BUTTONS)) $(id).textContent = text;
}

const tabs = "BroadcastChannel" in window ? new BroadcastChannel("edge-lp") : null;
if (tabs) {
  tabs.onmessage = () => {
    if (!source?.live) return;
    stop();
    say("Another tab of this page listens now; this one has stopped.");
  };
}

/** Starts or stops a live source. */
async function toggle(id, start) {
  if (source?.live === id) {
    stop();
    say("Stopped.");
    return;
  }
  stop();
  try {
    const started = await start();
    source = { ...started, live: id };
    $(id).textContent = "Stop";
  } catch (e) {
    say(e.message, true);
  }
}

const mic = () =>
  toggle("mic", () => {
    tabs?.postMessage("listening"); // phones give the microphone to one of them
    return microphone({ ...page, module, model: modelBytes, thresholds });
  });

const listener = () =>
  toggle("host", () =>
    host(
      {
        ...page,
        hello(h) {
          const keywords = h.labels.slice(0, h.keywords);
          prepare({ keywords, wakeWords: h.wake_words, wake: h.wake }, h.neurons, h.thresholds);
          say(`edge-lp listens to ${h.source} with ${h.model}.`);
        },
        moved: (values) => values.forEach((x, i) => moved(i, x)),
      },
      token,
    ),
  );

async function hear(bytes, name) {
  stop();
  source = await recording({ ...page, module, model: modelBytes, thresholds }, bytes, name);
}

async function open(file) {
  try {
    if (!module) throw new Error("the runtime was not built for browsers here: `make web` does it");
    const bytes = await file.arrayBuffer();
    if (file.name.endsWith(".lpb")) useModel(bytes, file.name);
    else await hear(bytes, file.name);
  } catch (e) {
    say(e.message.startsWith(file.name) ? e.message : `${file.name}: ${e.message}`, true);
  }
}

// --------------------------------------------------------------------------------------- start --

async function get(url, headers = {}) {
  const answer = await fetch(url, { headers });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
  return answer.arrayBuffer();
}

function wire() {
  $("mic").onclick = mic;
  $("host").onclick = listener;
  for (const id of ["recording", "model"]) {
    $(id).onchange = () => {
      if ($(id).files[0]) open($(id).files[0]);
      $(id).value = ""; // the same file may be chosen again
    };
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
}

async function start() {
  wire();
  draw();
  $("host").hidden = !token;
  const asked = new URLSearchParams(location.search);
  const name = asked.get("model") ?? "model.lpb";
  try {
    if (token) {
      $("where").textContent = "The sound is heard by edge-lp, on its machine or on a board.";
      listener();
    }
    module = await WebAssembly.compile(await get("edge_lp.wasm"));
    if (token) {
      modelBytes = await get(name, { Authorization: `Bearer ${token}` });
      new Spotter(module, modelBytes);
      return;
    }
    const bytes = await get(name);
    try {
      useModel(bytes, name);
    } catch (e) {
      throw new Error(`${name}: ${e.message}`);
    }
    const sound = asked.get("audio");
    if (sound) await hear(await get(sound), sound);
  } catch (e) {
    if (token) {
      module = undefined; // what edge-lp hears needs neither
      for (const id of ["mic", "files"]) $(id).hidden = true;
    } else {
      say(e.message, true);
    }
  }
}

start();
