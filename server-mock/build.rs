//! Takes the npm package along for the demo page, if it has been built (`node client-wasm/build.mjs`).

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rustc-check-cfg=cfg(with_package)");
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    let dist = Path::new("../client-wasm/dist");
    println!("cargo:rerun-if-changed={}", dist.join("rejoin.wasm").display());
    println!("cargo:rerun-if-changed={}", dist.join("index.js").display());
    let files = ["index.js", "inline.js", "rejoin.wasm"];
    if files.iter().all(|file| dist.join(file).is_file()) {
        for file in files {
            fs::copy(dist.join(file), Path::new(&out).join(file))?;
        }
        println!("cargo:rustc-cfg=with_package");
    }
    Ok(())
}
