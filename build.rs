//! Lists the migrations, so that they are part of the binary. `sqlx::migrate!` would do the same, and
//! compile sqlx, tokio and rustls a second time for it.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=migrations");
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("migrations");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    files.sort();
    let mut list = String::from("&[\n");
    for file in files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "sql")) {
        let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let (version, description) = name
            .split_once('_')
            .and_then(|(version, rest)| {
                Some((version.parse::<i64>().ok()?, rest.replace('_', " ")))
            })
            .ok_or_else(|| format!("migrations/{name}.sql is not named NNNN_what_it_does.sql"))?;
        // Not by its absolute path: what was built is still right when the tree is moved.
        let place = format!("/migrations/{name}.sql");
        writeln!(
            list,
            "    ({version}, {description:?}, \
             include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {place:?}))),"
        )?;
    }
    list.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("migrations.rs"), list)?;
    Ok(())
}
