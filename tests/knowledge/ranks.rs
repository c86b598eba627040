//! Passages in the order in which a way to search finds them, and how good that is.

use sqlx::{AssertSqlSafe, PgPool, Row};

/// The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009).
const RRF: f64 = 60.0;

/// A value for each passage: more is nearer.
#[derive(Debug, Clone)]
pub(crate) struct Ranked(pub(crate) Vec<f64>);

impl Ranked {
    /// The places of the passages, the nearest first.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.0.len()).collect();
        order.sort_by(|a, b| self.0[*b].total_cmp(&self.0[*a]).then(a.cmp(b)));
        order
    }

    pub(crate) fn best(&self) -> f64 {
        self.0.iter().copied().fold(f64::MIN, f64::max)
    }

    pub(crate) fn best_of(&self, places: &[usize]) -> f64 {
        places.iter().map(|place| self.0[*place]).fold(f64::MIN, f64::max)
    }

    fn z(&self) -> Vec<f64> {
        let n = self.0.len() as f64;
        let mean = self.0.iter().sum::<f64>() / n;
        let spread = (self.0.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / n).sqrt();
        self.0.iter().map(|it| if spread > 0.0 { (it - mean) / spread } else { 0.0 }).collect()
    }
}

/// How well the right passages were found.
#[derive(Debug, Default, Clone)]
pub(crate) struct Score {
    ranks: Vec<usize>,
}

impl Score {
    pub(crate) fn add(&mut self, ranked: &Ranked, right: &[usize]) {
        let order = ranked.order();
        // What has no value at all was not found, wherever it stands.
        let found = |place: &usize| right.contains(place) && ranked.0[*place] > f64::MIN / 2.0;
        self.ranks.push(order.iter().position(found).map_or(usize::MAX, |n| n + 1));
    }

    pub(crate) fn questions(&self) -> usize {
        self.ranks.len()
    }

    pub(crate) fn at(&self, n: usize) -> f64 {
        self.ranks.iter().filter(|rank| **rank <= n).count() as f64 / self.ranks.len() as f64
    }

    pub(crate) fn mrr(&self) -> f64 {
        let found = self.ranks.iter().filter(|rank| **rank < usize::MAX);
        found.map(|rank| 1.0 / *rank as f64).sum::<f64>() / self.ranks.len() as f64
    }
}

pub(crate) fn cosines(question: &[f32], passages: &[Vec<f32>]) -> Ranked {
    let length = |of: &[f32]| of.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>().sqrt();
    let cosine = |passage: &Vec<f32>| {
        let dot: f64 =
            question.iter().zip(passage).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        let of = length(question) * length(passage);
        if of > 0.0 { dot / of } else { 0.0 }
    };
    Ranked(passages.iter().map(cosine).collect())
}

pub(crate) fn z_sum(one: &Ranked, other: &Ranked, weight: f64) -> Ranked {
    // What full text did not find counts as nothing.
    let other = Ranked(other.0.iter().map(|it| it.max(0.0)).collect());
    Ranked(one.z().iter().zip(other.z()).map(|(a, b)| a + weight * b).collect())
}

pub(crate) fn rrf(one: &Ranked, other: &Ranked) -> Ranked {
    let mut sums = vec![0.0; one.0.len()];
    for ranked in [one, other] {
        for (rank, place) in ranked.order().into_iter().enumerate() {
            if ranked.0[place] > f64::MIN / 2.0 {
                sums[place] += 1.0 / (RRF + rank as f64 + 1.0);
            }
        }
    }
    Ranked(sums)
}

/// What PostgreSQL's full text search says of one question.
pub(crate) struct Words {
    pub(crate) plain: Ranked,
    pub(crate) weighted: Ranked,
}

/// Any word counts, by `ts_rank`; with the headings weighted or not.
pub(crate) async fn by_text(
    pool: &PgPool,
    passages: &[(String, String)],
    questions: &[String],
    languages: &[&str],
) -> Vec<Words> {
    let vector = |text: &str, weight: char| {
        let one =
            |language: &&str| format!("setweight(to_tsvector('{language}', {text}), '{weight}')");
        languages.iter().map(one).collect::<Vec<_>>().join(" || ")
    };
    let query = {
        let one = |language: &&str| {
            format!("replace(plainto_tsquery('{language}', q.question)::text, '&', '|')")
        };
        let all = languages.iter().map(one).collect::<Vec<_>>();
        // A language may know every word as one that says nothing.
        format!("array_to_string(array_remove(array[{}], ''), ' | ')::tsquery", all.join(", "))
    };
    let (headings, texts): (Vec<String>, Vec<String>) = passages.iter().cloned().unzip();
    let sql = format!(
        "select ts_rank({}, {query}) as plain, ts_rank({} || {}, {query}) as weighted
        from unnest($1::text[]) with ordinality as q (question, n)
        cross join unnest($2::text[], $3::text[]) with ordinality as p (headings, text, m)
        order by q.n, p.m",
        vector("p.headings || ' ' || p.text", 'D'),
        vector("p.headings", 'A'),
        vector("p.text", 'D'),
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(questions).bind(headings).bind(texts);
    let rows = rows.fetch_all(pool).await.unwrap();
    let value = |row: &sqlx::postgres::PgRow, name: &str| {
        let rank = f64::from(row.try_get::<f32, _>(name).unwrap());
        if rank > 0.0 { rank } else { f64::MIN }
    };
    let of = |rows: &[sqlx::postgres::PgRow]| Words {
        plain: Ranked(rows.iter().map(|row| value(row, "plain")).collect()),
        weighted: Ranked(rows.iter().map(|row| value(row, "weighted")).collect()),
    };
    rows.chunks(passages.len()).map(of).collect()
}
