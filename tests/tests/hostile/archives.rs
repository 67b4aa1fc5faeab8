//! Images that are not the archive's, and words about loading that are not true.

use std::path::PathBuf;

use portreeve::Error;
use portreeve::Rule::OutOfScope;

use crate::stand::{End, Stand};

/// A stand whose engine no longer holds the image, and the file that has it.
async fn stand(component: &str) -> (Stand, PathBuf) {
    let stand = Stand::new(component).await;
    let file = stand.shared().join("image.tar");
    stand.honest.save_image(&stand.reference(), &file).await.unwrap();
    stand.honest.remove_image(&stand.reference(), false).await.unwrap();
    (stand.mark(), file)
}

#[tokio::test]
pub(crate) async fn load_of_another_image() {
    let (stand, file) = stand(crate::LOAD_OF_ANOTHER_IMAGE).await;
    let loaded = stand.hostile.load_image(&file).await;
    stand.refuses(loaded, End::Refused(OutOfScope, "pull", Some("image.reference"))).await;
}

#[tokio::test]
pub(crate) async fn load_lie() {
    let (stand, file) = stand(crate::LOAD_LIE).await;
    let loaded = stand.hostile.load_image(&file).await;
    assert!(matches!(&loaded, Err(Error::Digest(why)) if why.contains("does not hold it")), "{loaded:?}");
    // An honest one loads it.
    assert!(stand.honest.load_image(&file).await.is_ok());
}
