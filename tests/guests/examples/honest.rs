//! The honest backend: what every other guest is but for one thing.

use portreeve_guests::{Mischief, guest};

struct Honest;

guest!(Honest);

impl Mischief for Honest {}
