mod codec;
mod ends;
mod losses;
mod model;
#[cfg(all(feature = "frames", feature = "stored"))]
mod namespaces;
#[cfg(feature = "frames")]
mod own;
mod random;
mod rig;
mod rooms_and_sends;
#[cfg(feature = "stored")]
mod stored;
