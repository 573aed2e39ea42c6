//! Takes the npm package along for the demo page, if it has been built (`node client-wasm/build.mjs`).

use std::path::Path;
use std::{env, fs, io};

/// What the demo page loads.
const FILES: [&str; 3] = ["index.js", "inline.js", "rejoin.wasm"];

fn main() -> io::Result<()> {
    println!("cargo:rustc-check-cfg=cfg(with_package)");
    println!("cargo:rerun-if-changed=build.rs");
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    let npm = Path::new("../client-wasm");
    let dist = npm.join("dist");
    // Cargo runs the script again, and links the server anew, on every build while a path named here does not exist:
    // what is named is there, and changes when the package is built, built again or removed.
    if FILES.iter().all(|file| dist.join(file).is_file()) {
        for file in FILES {
            println!("cargo:rerun-if-changed={}", dist.join(file).display());
            fs::copy(dist.join(file), Path::new(&out).join(file))?;
        }
        println!("cargo:rustc-cfg=with_package");
    } else if let Some(nearest) = [dist.as_path(), npm].into_iter().find(|folder| folder.is_dir()) {
        println!("cargo:rerun-if-changed={}", nearest.display());
    }
    Ok(())
}
