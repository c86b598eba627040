//! The browser's microphone hears what a test gives it, so that a test can speak to an agent.

use std::f64::consts::TAU;
use std::path::Path;

use serde_json::Value;

use crate::cdp::{Browser, BrowserOptions, Microphone};
use crate::site::Site;

/// Listens until the microphone has heard something, which LASTS or not, and tells its peak and its
/// loudest frequency.
const LISTEN: &str = r"(async () => {
    const plain = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
    const stream = await navigator.mediaDevices.getUserMedia({audio: plain});
    const context = new AudioContext();
    await context.resume();
    const analyser = new AnalyserNode(context, {fftSize: 4096});
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const levels = new Float32Array(analyser.frequencyBinCount);
    const loud = part => part.some(sample => Math.abs(sample) > 0.05);
    // A window that is loud at both ends is full of sound.
    const parts = LASTS ? [samples.subarray(0, 512), samples.subarray(3584)] : [samples];
    do {
        await new Promise(requestAnimationFrame);
        analyser.getFloatTimeDomainData(samples);
    } while (!parts.every(loud));
    analyser.getFloatFrequencyData(levels);
    stream.getTracks().forEach(track => track.stop());
    const loudest = levels.indexOf(Math.max(...levels)) * context.sampleRate / analyser.fftSize;
    return {peak: Math.max(...samples), loudest};
})()";

/// A WAV file of one second at 16 kHz, 16 bits, one channel.
fn write_tone(path: &Path, hertz: f64) {
    const RATE: u32 = 16_000;
    let samples = (0..RATE).flat_map(|n| {
        let sample = (TAU * hertz * f64::from(n) / f64::from(RATE)).sin() * 16_000.0;
        (sample as i16).to_le_bytes()
    });
    let samples: Vec<u8> = samples.collect();
    let bytes = u32::try_from(samples.len()).unwrap();
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1, 0, 1, 0]);
    wav.extend(RATE.to_le_bytes());
    wav.extend((RATE * 2).to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    wav.extend(samples);
    std::fs::write(path, wav).unwrap();
}

async fn heard(browser: &Browser, lasts: bool) -> Value {
    let site = Site::start().await;
    let page = browser.page().await;
    page.goto(&site.url("/bare")).await;
    let listen = LISTEN.replace("LASTS", &lasts.to_string());
    page.eval(&listen).await
}

#[tokio::test]
async fn it_beeps_when_nothing_else_is_said() {
    let Some(browser) = Browser::shared().await else { return };
    let heard = heard(&browser, false).await;
    assert!(heard["peak"].as_f64().unwrap() > 0.05, "{heard}");
}

#[tokio::test]
async fn it_hears_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("tone.wav");
    write_tone(&wav, 1_000.0);
    let options = BrowserOptions { microphone: Microphone::File(wav) };
    let Some(browser) = Browser::start(options).await else { return };
    let hertz = heard(&browser, true).await["loudest"].as_f64().unwrap();
    assert!((950.0..1_050.0).contains(&hertz), "{hertz} Hz");
}
