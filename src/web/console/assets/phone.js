// The telephone's sound, off the page's own thread: what the microphone hears as the line carries it
// (μ-law, 8,000 samples a second, 160 a frame), and what the line brings as the loudspeaker plays it.
"use strict";
const LINE_RATE = 8000;
const FRAME = 160;

// The parts of a filter that changes one rate into another, one for each place that a sample of the
// new rate can have between two of the old one: a windowed sinc, `reach` old samples to each side, that
// lets through what is below `cut` of half the old rate.
function parts(places, reach, cut) {
  const table = [];
  for (let place = 0; place < places; place++) {
    const taps = new Float32Array(2 * reach + 1);
    let sum = 0;
    for (let k = -reach; k <= reach; k++) {
      const d = k - place / places;
      if (Math.abs(d) > reach) continue;
      const x = Math.PI * d * cut;
      const tap = (x === 0 ? 1 : Math.sin(x) / x) * (0.5 + 0.5 * Math.cos(Math.PI * d / reach));
      taps[k + reach] = tap;
      sum += tap;
    }
    table.push(taps.map((tap) => tap / sum));
  }
  return table;
}

function common(a, b) {
  return b ? common(b, a % b) : a;
}

function encode(sample) {
  let value = Math.max(-32635, Math.min(32635, Math.round(sample * 32767)));
  const sign = value < 0 ? 0x80 : 0;
  value = Math.abs(value) + 0x84;
  let exponent = 7;
  for (let mask = 0x4000; !(value & mask) && exponent > 0; mask >>= 1) exponent--;
  return ~(sign | exponent << 4 | value >> exponent + 3 & 0xf) & 0xff;
}

const decoded = new Float32Array(256).map((_, byte) => {
  const bits = ~byte & 0xff;
  const size = (((bits & 0xf) << 3) + 0x84 << (bits >> 4 & 7)) - 0x84;
  return (bits & 0x80 ? -size : size) / 32768;
});

// The microphone: frames to send, each with its loudest sample.
class Mouthpiece extends AudioWorkletProcessor {
  constructor() {
    super();
    const rate = Math.round(sampleRate);
    const unit = common(rate, LINE_RATE);
    // A sample of the line is `step / places` of the microphone's.
    this.step = rate / unit;
    this.places = LINE_RATE / unit;
    this.reach = Math.ceil(16 * rate / LINE_RATE);
    this.parts = parts(this.places, this.reach, 0.9 * LINE_RATE / rate);
    this.heard = new Float32Array(4 * this.reach + 4096);
    this.length = 0;
    this.at = this.reach;
    this.place = 0;
    this.frame = new Uint8Array(FRAME);
    this.filled = 0;
    this.loudest = 0;
  }

  process(inputs) {
    const input = inputs[0][0];
    if (!input) return true;
    if (this.length + input.length > this.heard.length) this.forget();
    this.heard.set(input, this.length);
    this.length += input.length;
    while (this.at + this.reach < this.length) {
      const taps = this.parts[this.place];
      let sum = 0;
      for (let k = 0, from = this.at - this.reach; k < taps.length; k++) sum += taps[k] * this.heard[from + k];
      this.take(sum);
      this.place += this.step;
      this.at += Math.floor(this.place / this.places);
      this.place %= this.places;
    }
    return true;
  }

  // What no sample to come reaches back to makes room.
  forget() {
    const old = Math.max(0, Math.min(this.at - this.reach, this.length));
    this.heard.copyWithin(0, old, this.length);
    this.length -= old;
    this.at -= old;
  }

  take(sample) {
    this.loudest = Math.max(this.loudest, Math.abs(sample));
    this.frame[this.filled++] = encode(sample);
    if (this.filled < FRAME) return;
    const frame = this.frame.slice();
    this.port.postMessage({ frame, loudest: this.loudest }, [frame.buffer]);
    this.filled = 0;
    this.loudest = 0;
  }
}

// How much of the agent's sound waits at most, and what has to be there before it is played: as much
// as a network is late now and then.
const WAITS_MAX = 120 * LINE_RATE;
const READY = 0.07 * LINE_RATE;
const READY_FRAMES = 0.08;

// The loudspeaker. Marks stand at places of the sound, and come back when that was played; `clear`
// throws away what waits, and all of them come back.
class Earpiece extends AudioWorkletProcessor {
  constructor() {
    super();
    const rate = Math.round(sampleRate);
    const unit = common(rate, LINE_RATE);
    this.step = LINE_RATE / unit;
    this.places = rate / unit;
    this.reach = 8;
    this.parts = parts(this.places, this.reach, 0.95);
    this.ring = new Float32Array(WAITS_MAX);
    // All counted from the beginning of the call, in samples of the line.
    this.written = 0;
    this.at = 0;
    this.place = 0;
    this.marks = [];
    this.plays = false;
    this.since = 0;
    this.dropped = 0;
    this.loudest = 0;
    this.quanta = 0;
    this.port.onmessage = ({ data }) => this.told(data);
  }

  told(data) {
    if (data.sound) {
      if (this.written === this.at) this.since = currentTime;
      for (const byte of data.sound) {
        if (this.written - this.at >= WAITS_MAX - 2 * this.reach) {
          this.dropped += 1;
          continue;
        }
        this.ring[this.written++ % WAITS_MAX] = decoded[byte];
      }
    } else if (data.mark !== undefined) {
      this.marks.push({ name: data.mark, at: this.written });
      this.giveMarks();
    } else if (data.clear) {
      this.at = this.written;
      this.place = 0;
      this.plays = false;
      this.giveMarks();
    }
  }

  giveMarks() {
    while (this.marks.length && this.marks[0].at <= this.at) {
      this.port.postMessage({ mark: this.marks.shift().name });
    }
  }

  // A sample of the line; silence where there is none, and before what was cleared.
  sample(n) {
    return n < 0 || n >= this.written ? 0 : this.ring[n % WAITS_MAX];
  }

  process(_, outputs) {
    const output = outputs[0][0];
    const waits = this.written - this.at;
    if (!this.plays && waits > 0) {
      this.plays = waits >= READY || currentTime - this.since >= READY_FRAMES;
    }
    if (this.plays) {
      for (let n = 0; n < output.length && this.at < this.written; n++) {
        const taps = this.parts[this.place];
        let sum = 0;
        for (let k = 0, from = this.at - this.reach; k < taps.length; k++) sum += taps[k] * this.sample(from + k);
        output[n] = sum;
        this.loudest = Math.max(this.loudest, Math.abs(sum));
        this.place += this.step;
        this.at += Math.floor(this.place / this.places);
        this.place %= this.places;
      }
      this.at = Math.min(this.at, this.written);
      if (this.at === this.written) this.plays = false;
      this.giveMarks();
    }
    for (const channel of outputs[0].slice(1)) channel.set(output);
    this.quanta += 1;
    if (this.quanta % 20 === 0) {
      this.port.postMessage({ loudest: this.loudest, played: this.at, dropped: this.dropped });
      this.loudest = 0;
    }
    return true;
  }
}

registerProcessor("mouthpiece", Mouthpiece);
registerProcessor("earpiece", Earpiece);
