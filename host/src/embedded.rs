//! The backends that are part of this build, as the build script made them: the one place that names engines.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
