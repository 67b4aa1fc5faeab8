//! The tables of the reference page are made from the catalogue.

use std::fmt::Write as _;
use std::path::Path;

use super::*;

/// Set to rewrite the page's tables instead of comparing them.
pub(super) const REGENERATE: &str = "PORTREEVE_REGENERATE";

#[test]
fn the_page_holds_the_tables_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/grants.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let right = [("slots", slots()), ("kinds", kinds()), ("limits", limits()), ("dangers", dangers())]
        .iter()
        .fold(page.clone(), |page, (name, table)| with_table(&page, name, table));
    if std::env::var_os(REGENERATE).is_some() {
        std::fs::write(&path, &right).unwrap();
        return;
    }
    assert!(page == right, "docs/grants.md is not what the catalogue says: run this test with {REGENERATE}=1");
}

fn with_table(page: &str, name: &str, table: &str) -> String {
    let (start, end) = (format!("<!-- {name}: generated -->\n"), format!("<!-- {name}: end -->"));
    let (before, rest) = page.split_once(&start).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{start}{table}{end}{after}")
}

fn slots() -> String {
    let mut table = "| slot | from | shape | fields | what it is |\n|---|---|---|---|---|\n".to_owned();
    for slot in Slot::ALL {
        let fields: Vec<_> = slot.fields().iter().map(field).collect();
        writeln!(
            table,
            "| `{slot}` | {} | {} | {} | {} |",
            slot.origin().as_str(),
            slot.shape().as_str(),
            fields.join(", "),
            slot.doc()
        )
        .unwrap();
    }
    table
}

fn field(field: &Field) -> String {
    let kind = format!("{:?}", field.grammar()).to_lowercase();
    if field.name().is_empty() { kind } else { format!("`{}` {kind}", field.name()) }
}

fn kinds() -> String {
    let mut table = "| kind | at most | what it is | pattern of the whole text |\n|---|---|---|---|\n".to_owned();
    for kind in Grammar::ALL {
        let name = format!("{kind:?}").to_lowercase();
        writeln!(table, "| {name} | {} | {} | `{}` |", kind.longest(), kind.doc(), kind.pattern().replace('|', "\\|"))
            .unwrap();
    }
    table
}

fn limits() -> String {
    let mut table = "| key | default | least | most | what it bounds |\n|---|---|---|---|---|\n".to_owned();
    for limit in Limit::ALL {
        let (least, most) = limit.bounds();
        writeln!(table, "| `{}` | {} | {least} | {most} | {} |", limit.name(), limit.default(), limit.doc()).unwrap();
    }
    table
}

fn dangers() -> String {
    let mut table = "| token | why |\n|---|---|\n".to_owned();
    for (token, why) in danger::list() {
        writeln!(table, "| `{token}` | {why} |").unwrap();
    }
    table
}
