//! Imports a part of WASI.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::Result;

struct WasiImport;

guest!(WasiImport);

impl Mischief for WasiImport {
    fn list() -> Result<Vec<String>> {
        Ok(wasi::wasi::cli::environment::get_arguments())
    }
}

#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "generated: an import by raw memory")]
mod wasi {
    wit_bindgen::generate!({
        inline: "
            package hostile:wasi;

            world curious {
                import wasi:cli/environment@0.2.0;
            }

            package wasi:cli@0.2.0 {
                interface environment {
                    get-arguments: func() -> list<string>;
                }
            }
        ",
        generate_all,
    });
}
