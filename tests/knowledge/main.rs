//! How well what callers ask is found in documents: by vectors, by words, and by mixtures of both.
//!
//! The documents of three invented businesses are read and split as an owner's are, and the questions of
//! `questions.json` looked up among the passages of their own business. `README.md` says who wrote them and
//! what that biases. In CI the stand-in's embedding (feature hashing) shows that labels and machinery hold;
//! `scripts/evaluate-knowledge` measures a real model.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

#[path = "../common/database.rs"]
mod common_database;
mod ranks;

use std::collections::BTreeMap;
use std::path::Path;

use frontdesk::knowledge::documents::{Limits, SplitLimits, extract, guess, split};
use frontdesk::knowledge::feature_hash;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::common_database::fresh_database;
use crate::ranks::{Ranked, Score, by_text, cosines, rrf, z_sum};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/knowledge");
/// The businesses, and the configurations of full text search that their documents need.
const BUSINESSES: [(&str, &[&str]); 3] =
    [("dental", &["english"]), ("garage", &["english"]), ("hotel", &["english", "german"])];
/// What is embedded in one request.
const AT_ONCE: usize = 64;

/// A place that answers a question.
#[derive(Debug, Clone, Deserialize)]
struct Place {
    document: String,
    quote: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Question {
    id: String,
    business: String,
    #[serde(default)]
    kind: String,
    question: String,
    before: Option<String>,
    document: Option<String>,
    quote: Option<String>,
    #[serde(default)]
    quotes: Vec<String>,
    #[serde(default)]
    also: Vec<Place>,
}

impl Question {
    /// All places that answer it.
    fn places(&self) -> Vec<Place> {
        let document = self.document.clone().unwrap_or_default();
        let own = self.quote.iter().chain(&self.quotes);
        let own = own.map(|quote| Place { document: document.clone(), quote: quote.clone() });
        own.chain(self.also.iter().cloned()).collect()
    }
}

/// A passage, with what is embedded of it.
#[derive(Debug, Clone)]
struct Passage {
    document: String,
    headings: String,
    text: String,
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The passages of a business, as an owner's documents are read and split.
fn passages(business: &str) -> Vec<Passage> {
    let limits = SplitLimits { target: 900, max: 1_300, tiny: 200, passages: 10_000 };
    let folder = Path::new(FOLDER).join("documents").join(business);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap()).collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    let mut found = Vec::new();
    for file in files {
        let name = file.file_name().to_string_lossy().into_owned();
        let bytes = std::fs::read(file.path()).unwrap();
        let kind = guess(None, Some(&name), &bytes).unwrap();
        let document = extract(kind, &bytes, &Limits::default()).unwrap();
        let title = document.title.clone().unwrap_or_else(|| name.clone());
        let split = split(&document, &limits);
        assert!(!split.cut_off, "{name}");
        found.extend(split.passages.into_iter().map(|one| Passage {
            document: name.clone(),
            headings: one.heading.map_or_else(|| title.clone(), |it| format!("{title} > {it}")),
            text: one.text,
        }));
    }
    found
}

fn read(name: &str) -> Vec<Question> {
    serde_json::from_slice(&std::fs::read(Path::new(FOLDER).join(name)).unwrap()).unwrap()
}

/// The passages that answer a question, by their places in the list.
fn right(question: &Question, passages: &[Passage]) -> Vec<usize> {
    let places = question.places();
    let is_right = |passage: &Passage| {
        let text = folded(&format!("{} {}", passage.headings, passage.text));
        places
            .iter()
            .any(|place| place.document == passage.document && text.contains(&folded(&place.quote)))
    };
    (0..passages.len()).filter(|n| is_right(&passages[*n])).collect()
}

/// Makes embeddings: by feature hashing, or by a service that speaks OpenAI's protocol.
enum Embedding {
    Hashing,
    Service { url: String, model: String, key: Option<String> },
}

impl Embedding {
    async fn of(&self, texts: &[String]) -> Vec<Vec<f32>> {
        let Self::Service { url, model, key } = self else {
            return texts.iter().map(|text| feature_hash::embed(text)).collect();
        };
        frontdesk::tls::install_provider();
        let http = frontdesk::tls::http_client().build().unwrap();
        let mut vectors = Vec::new();
        for some in texts.chunks(AT_ONCE) {
            let mut post = http.post(format!("{url}/embeddings"));
            if let Some(key) = key {
                post = post.bearer_auth(key);
            }
            let body = json!({"model": model, "input": some, "encoding_format": "float"});
            let answer = post.json(&body).send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
            let answer: Value = answer.json().await.unwrap();
            let mut data = answer["data"].as_array().unwrap().clone();
            data.sort_by_key(|one| one["index"].as_u64());
            vectors.extend(data.iter().map(|one| {
                let numbers = one["embedding"].as_array().unwrap();
                numbers.iter().map(|number| number.as_f64().unwrap() as f32).collect::<Vec<_>>()
            }));
        }
        vectors
    }
}

/// What each way to search came to, by its name, and the similarities of the unanswerable.
struct Measured {
    scores: BTreeMap<String, BTreeMap<String, Score>>,
    /// Of each question that has an answer: the best similarity, and that of the best right passage.
    answerable: Vec<(f64, f64)>,
    unanswerable: Vec<f64>,
}

async fn measure(embedding: &Embedding, pool: &sqlx::PgPool) -> Measured {
    let (questions, nothing) = (read("questions.json"), read("unanswerable.json"));
    let mut scores: BTreeMap<String, BTreeMap<String, Score>> = BTreeMap::new();
    let (mut answerable, mut unanswerable) = (Vec::new(), Vec::new());
    for (business, languages) in BUSINESSES {
        let passages = passages(business);
        let texts = |with: bool| -> Vec<String> {
            let text = |one: &Passage| match with {
                true => format!("{}\n{}", one.headings, one.text),
                false => one.text.clone(),
            };
            passages.iter().map(text).collect()
        };
        let (bare, headed) = (embedding.of(&texts(false)).await, embedding.of(&texts(true)).await);
        let of: Vec<_> = questions.iter().filter(|it| it.business == business).collect();
        let asked: Vec<String> = of.iter().map(|it| it.question.clone()).collect();
        let after = |it: &&Question| match &it.before {
            Some(before) => format!("{before} {}", it.question),
            None => it.question.clone(),
        };
        let asked_after: Vec<String> = of.iter().map(after).collect();
        let (vectors, vectors_after) =
            (embedding.of(&asked).await, embedding.of(&asked_after).await);
        let pairs: Vec<(String, String)> =
            passages.iter().map(|one| (one.headings.clone(), one.text.clone())).collect();
        let by_words = by_text(pool, &pairs, &asked, languages).await;
        for (n, question) in of.iter().enumerate() {
            let right = right(question, &passages);
            assert!(!right.is_empty(), "no passage has the quote of {}", question.id);
            let with = cosines(&vectors[n], &headed);
            let words = &by_words[n];
            answerable.push((with.best(), with.best_of(&right)));
            let ways: [(&str, Ranked); 9] = [
                ("1 vector, text alone", cosines(&vectors[n], &bare)),
                ("2 vector, with headings", with.clone()),
                (
                    "3 vector, with headings and the sentence before",
                    cosines(&vectors_after[n], &headed),
                ),
                ("4 full text", words.plain.clone()),
                ("5 full text, headings weighted", words.weighted.clone()),
                ("6 2 + 0.3 of 5, z-scores", z_sum(&with, &words.weighted, 0.3)),
                ("7 2 + 0.5 of 5, z-scores", z_sum(&with, &words.weighted, 0.5)),
                ("8 2 + 5, z-scores", z_sum(&with, &words.weighted, 1.0)),
                ("9 2 and 5, RRF", rrf(&with, &words.weighted)),
            ];
            for (way, ranked) in ways {
                let by_kind = scores.entry(way.to_owned()).or_default();
                for kind in ["all", &question.kind] {
                    by_kind.entry(kind.to_owned()).or_default().add(&ranked, &right);
                }
            }
        }
        let none: Vec<String> = nothing
            .iter()
            .filter(|it| it.business == business)
            .map(|it| it.question.clone())
            .collect();
        for vector in embedding.of(&none).await {
            unanswerable.push(cosines(&vector, &headed).best());
        }
    }
    Measured { scores, answerable, unanswerable }
}

fn print(measured: &Measured) {
    println!("| way | R@1 | R@4 | MRR | R@4 paraphrased | exact | follow-up |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (way, kinds) in &measured.scores {
        let at4 = |kind: &str| kinds.get(kind).map_or(0.0, |score| score.at(4));
        let all = &kinds["all"];
        println!(
            "| {} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} |",
            way.split_once(' ').map_or(way.as_str(), |(_, words)| words),
            all.at(1),
            all.at(4),
            all.mrr(),
            at4("paraphrased"),
            at4("exact"),
            at4("follow-up"),
        );
    }
    println!(
        "\n| least similarity | unanswerable that get a passage | questions that keep their right one |"
    );
    println!("| --- | --- | --- |");
    for least in [0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5] {
        let share = |values: &mut dyn Iterator<Item = bool>| {
            let all: Vec<bool> = values.collect();
            all.iter().filter(|it| **it).count() as f64 / all.len().max(1) as f64
        };
        let none = share(&mut measured.unanswerable.iter().map(|best| *best >= least));
        let kept = share(&mut measured.answerable.iter().map(|(_, right)| *right >= least));
        println!("| {least:.2} | {none:.2} | {kept:.2} |");
    }
}

/// The labels hold however the splitter changes, and the machinery ranks.
#[tokio::test]
async fn each_question_has_its_passage_and_hashing_finds_some() {
    let database = fresh_database().await;
    let pool = sqlx::PgPool::connect_with(database.options()).await.unwrap();
    let measured = measure(&Embedding::Hashing, &pool).await;
    let all = &measured.scores["2 vector, with headings"]["all"];
    assert_eq!(all.questions(), read("questions.json").len());
    assert!(all.at(4) > 0.1 && all.at(4) >= all.at(1), "{all:?}");
    let words = &measured.scores["5 full text, headings weighted"]["exact"];
    assert!(words.at(4) > 0.5, "{words:?}");
}

#[tokio::test]
#[ignore = "scripts/evaluate-knowledge runs it"]
async fn evaluate() {
    let embedding = match std::env::var("EVALUATE_URL") {
        Ok(url) => Embedding::Service {
            url: url.trim_end_matches('/').to_owned(),
            model: std::env::var("EMBEDDING_MODEL").unwrap_or_default(),
            key: std::env::var("OPENAI_API_KEY").ok(),
        },
        Err(_) => Embedding::Hashing,
    };
    let database = fresh_database().await;
    let pool = sqlx::PgPool::connect_with(database.options()).await.unwrap();
    print(&measure(&embedding, &pool).await);
}
