//! The backends that are part of this build, as the build script made them: the one list of engines.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

#[cfg(test)]
mod tests {
    use crate::digest::Digest;

    #[test]
    fn the_digests_that_were_built_in_are_those_of_the_components() {
        for (name, component, sha256, _) in super::EMBEDDED {
            assert_eq!(Digest::from_sha256(*sha256), Digest::sha256(component), "{name}");
        }
    }
}
