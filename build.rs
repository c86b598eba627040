//! Tells cargo that the migrations are part of the binary: `sqlx::migrate!` reads the folder.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
