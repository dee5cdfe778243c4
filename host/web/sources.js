// SPDX-License-Identifier: Apache-2.0
// Where sound comes from: this browser's microphone, a recording, or the stream of `edge-lp listen
// --web`. Each starts with a page (what it hears with, and where things go) and gives back
// {stop(), threshold(keyword, posterior)}.

import { FEATURES, SAMPLE_RATE, Spotter, positiveScale, toInt16 } from "./spotter.js";

const SLICE = SAMPLE_RATE / 5; // samples of a recording that are heard between two pictures
const START = 5000; // ms for the browser's audio to start
const TAIL = 2 * SAMPLE_RATE; // zeros behind it, so that its last word is decided too

const DENIED = {
  NotAllowedError: "The microphone was denied. Allow it in the address bar and try again.",
  NotFoundError: "No microphone was found. Plug one in, or drop a recording on this page.",
  NotReadableError: "Another program holds the microphone. Close it and try again.",
  NotSupportedError: "This browser cannot give the microphone 16 kHz; drop a recording here.",
};

/** Without a loudspeaker, some browsers never start their sound and never say so. */
const late = () =>
  new Promise((_, no) => {
    const why = "this browser does not start its sound; does it have a loudspeaker?";
    setTimeout(() => no(new Error(why)), START);
  });

/** The runtime on the audio thread. page: {module, model, thresholds, show, say, ended}. Throws
 *  Error, one line. */
export async function microphone(page) {
  let stream, context;
  const stop = () => {
    stream?.getTracks().forEach((track) => {
      track.onended = null;
      track.stop();
    });
    context?.close();
  };
  try {
    if (!navigator.mediaDevices) {
      throw new Error("browsers give it to https and localhost only");
    }
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false,
               autoGainControl: false },
    });
    // the browser resamples to this context's rate
    context = new AudioContext({ sampleRate: SAMPLE_RATE });
    await context.audioWorklet.addModule("worklet.js");
    const { module, model, thresholds } = page;
    const node = new AudioWorkletNode(context, "listener", {
      numberOfOutputs: 0,
      processorOptions: { module, model, thresholds },
    });
    node.port.onmessage = ({ data }) => page.show(data);
    node.onprocessorerror = () => page.ended("The runtime failed on the audio thread.");
    context.createMediaStreamSource(stream).connect(node);
    await Promise.race([context.resume(), late()]);
    const [track] = stream.getAudioTracks();
    const name = track.label || "the microphone";
    track.onended = () => page.ended("The microphone has gone. Plug it in and listen again.");
    track.onmute = () => page.say(`${name} is muted, or in use elsewhere: only silence comes.`, true);
    track.onunmute = () => page.say(`Listening to ${name} …`);
    page.say(`Listening to ${name} …`);
    return {
      stop: () => {
        node.port.postMessage({ stop: true });
        stop();
      },
      threshold: (keyword, posterior) => node.port.postMessage({ keyword, threshold: posterior }),
    };
  } catch (e) {
    stop();
    throw new Error(DENIED[e.name] ?? `The microphone cannot be used: ${e.message}`);
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

/** A recording's bytes, as fast as it can. page as above, and done(digest). */
export async function recording(page, bytes, name) {
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(bytes);
  } catch {
    throw new Error(`${name} is not a recording that this browser can read.`);
  }
  const mono = mixed(sound);
  const pcm = new Int16Array(mono.length + TAIL);
  pcm.set(toInt16(mono, positiveScale(mono)));
  const spotter = new Spotter(page.module, page.model);
  page.thresholds.forEach((x, i) => spotter.setThreshold(i, x));
  let going = true;
  const run = async () => {
    let found = 0;
    const digest = { features: 0, logits: 0 }; // sums modulo 2^32: two machines can be compared
    for (let at = 0; at < pcm.length && going; at += SLICE) {
      const frames = [];
      const events = spotter.push(pcm.subarray(at, at + SLICE), () => {
        for (const x of spotter.features) digest.features = (Math.imul(digest.features, 31) + x) | 0;
        for (const x of spotter.logits) digest.logits = (Math.imul(digest.logits, 31) + x) | 0;
        if (at < mono.length) frames.push(spotter.frame()); // the tail is no part of the picture
      });
      found += events.length;
      page.show({ frames, events });
      page.say(`${name}: ${(Math.min(at + SLICE, mono.length) / SAMPLE_RATE).toFixed(1)} s heard`);
      await new Promise((done) => setTimeout(done));
    }
    if (!going) return;
    page.ended();
    const seconds = (mono.length / SAMPLE_RATE).toFixed(1);
    page.say(`${name}: ${seconds} s heard, ${found} detection${found === 1 ? "" : "s"}.`);
    page.done(digest);
  };
  setTimeout(run);
  return {
    stop: () => (going = false),
    threshold: (keyword, posterior) => spotter.setThreshold(keyword, posterior),
  };
}

/** A message of hear/page.py, some records -> frames. */
export function records(buffer, labels, neurons) {
  const size = 2 * FEATURES + 2 * labels + 2 + neurons;
  const frames = [];
  for (let at = 0; at + size <= buffer.byteLength; at += size) {
    const part = buffer.slice(at, at + size); // arrays of 16 bits begin at even addresses
    const words = new Uint16Array(part, 2 * FEATURES, labels + 1);
    frames.push({
      features: new Int16Array(part, 0, FEATURES),
      posteriors: words.subarray(0, labels),
      awake: words[labels],
      activity: new Uint8Array(part, size - neurons),
    });
  }
  return frames;
}

/** What `edge-lp listen --web` hears. page: as above, and hello(hello) when it says what it listens
 *  to, moved(values) when somebody has moved one. */
export function host(page, token) {
  const url = new URL(`stream?token=${encodeURIComponent(token)}`, location.href);
  url.protocol = "ws:";
  url.hash = "";
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  let hello = null;
  let over = null; // why, once it is
  const texts = {
    hello: (data) => page.hello((hello = data)),
    event: (event) => page.show({ frames: [], events: [event] }),
    note: (line) => page.say(line),
    thresholds: (values) => page.moved(values),
    lost: (n) => page.say(`${n} samples were lost on the way to the listener.`, true),
    skipped: (n) => page.say(`This page is slow: ${n} pictures were left out.`, true),
    end: () => (over = `${hello.source}: edge-lp has stopped listening.`),
  };
  socket.onmessage = ({ data }) => {
    if (data instanceof ArrayBuffer) {
      page.show({ frames: records(data, hello.labels.length, hello.neurons), events: [] });
      return;
    }
    for (const [name, value] of Object.entries(JSON.parse(data))) texts[name]?.(value);
  };
  socket.onclose = () => {
    if (over) {
      page.ended();
      page.say(over);
    } else {
      page.ended(
        hello
          ? "The connection to edge-lp broke. Is it still running?"
          : "edge-lp does not let this page in: open the address that it printed, as it is.",
      );
    }
  };
  return {
    stop: () => {
      socket.onclose = null;
      socket.close();
    },
    threshold: (keyword, posterior) => {
      if (socket.readyState === WebSocket.OPEN) {
        socket.send(JSON.stringify({ threshold: [keyword, posterior] }));
      }
    },
  };
}
