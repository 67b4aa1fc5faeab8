//! Requests a template with a word that the operator never granted, and then asks for it.

use portreeve_guests::{Mischief, guest};

struct WiderRequest;

guest!(WiderRequest, request = "requests/wider.toml");

impl Mischief for WiderRequest {}
