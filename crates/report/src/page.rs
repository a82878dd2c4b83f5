//! The report: one HTML page that needs nothing but itself.
//!
//! No scripts, no fonts, no requests. It follows the reader's light or dark setting, and prints light.

use std::fmt::Write as _;

use vitrion_analysis::table::{Table, Values};

use crate::chart::markup::{escape, to_html};
use crate::figures::Figure;
use crate::panel::{Number, Panel, Shape, Shown};
use crate::paper;
use crate::quantity::{significant, time};
use crate::source::Source;
use crate::style;

/// Rows of data that a page shows of one table; the CSV has all.
const ROWS: usize = 120;

/// The page.
pub fn html(source: &Source, figures: &[Figure]) -> String {
    let sections: String = figures.iter().map(section).collect();
    document(&source.facts.title, &header(source), &(sections + &missing(source) + &provenance(source)))
}

/// A whole page around its header and its sections.
pub(crate) fn document(title: &str, header: &str, sections: &str) -> String {
    let mut page = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n";
    page += crate::own::PAGE_MARK;
    page.push('\n');
    // An empty icon: else browsers ask for one.
    page += "<link rel=\"icon\" href=\"data:,\">\n";
    let _ = write!(
        page,
        "<title>{}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n",
        escape(title),
        LAYOUT,
        style::sheet()
    );
    page + header + "<main>\n" + sections + "</main>\n</body>\n</html>\n"
}

fn header(source: &Source) -> String {
    let facts = source.facts;
    let mut items = Vec::new();
    if !facts.stage.is_empty() {
        items.push(format!("stage “{}”", escape(&facts.stage)));
    }
    items.extend(facts.temperature.map(|t| format!("{t:.1} K")));
    items.extend(facts.duration.map(time));
    items.push(format!("{} atoms", facts.atoms));
    items.push(if facts.replicas == 1 {
        "one replica".to_string()
    } else {
        format!("{} replicas", facts.replicas)
    });
    format!(
        "<header>\n<h1>{}</h1>\n<p class=\"facts\">{}</p>\n<p>{}</p>\n</header>\n",
        escape(&facts.title),
        items.join(" · "),
        comparison(facts.temperature)
    )
}

/// Whether the paper's numbers stand beside the run's, and why.
fn comparison(temperature: Option<f64>) -> String {
    let paper = "M. Saito <i>et al.</i>, Acta Mater. (2024), doi:10.1016/j.actamat.2024.120536";
    match temperature {
        Some(t) if (t - paper::TEMPERATURE).abs() < 30.0 => format!(
            "Figures are laid out like those of {paper}. Its numbers stand beside these where temperature, times and cooling rate match."
        ),
        Some(t) => format!(
            "Figures are laid out like those of {paper}. Its glass is at 330 K, this run at {t:.0} K: a different state. \
             Its values are therefore not printed beside these."
        ),
        None => format!(
            "Figures are laid out like those of {paper}. The temperature of this run is not known, or not the same in all replicas: no value is compared."
        ),
    }
}

fn section(figure: &Figure) -> String {
    let labelled = |p: &Panel| panel(p, &format!("<b>{}</b> {}", p.id, to_html(&p.title)), "this run");
    let panels: String = figure.panels.iter().map(labelled).collect();
    format!(
        "<section id=\"figure-{0}\">\n<h2>Figure {0}. {1}</h2>\n<div class=\"panels n{2}\">\n{panels}</div>\n</section>\n",
        figure.number,
        to_html(figure.title),
        figure.panels.len()
    )
}

/// A panel below this heading (HTML), with its numbers of `whose`.
pub(crate) fn panel(panel: &Panel, heading: &str, whose: &str) -> String {
    let tall = if panel.shape == Shape::Tall && panel.drawing.is_ok() { " tall" } else { "" };
    let heading = format!("<h3>{heading}</h3>");
    match &panel.drawing {
        Err(reason) => format!(
            "<figure class=\"panel absent\" id=\"panel-{}\">{heading}<p class=\"reason\">{}</p></figure>\n",
            panel.id,
            escape(reason)
        ),
        Ok(picture) => format!(
            "<figure class=\"panel{tall}\" id=\"panel-{}\">{heading}{}<figcaption><p>{}</p><p class=\"definition\">{}</p></figcaption>{}{}</figure>\n",
            panel.id,
            picture.inline(),
            to_html(&panel.caption),
            to_html(&panel.definition),
            numbers(&panel.numbers, whose),
            panel.data.iter().map(data).collect::<String>()
        ),
    }
}

/// A table of numbers below a heading, with the paper's beside those that have one.
pub(crate) fn numbers(numbers: &[Number], heading: &str) -> String {
    if numbers.is_empty() {
        return String::new();
    }
    let compared = numbers.iter().any(|number| number.paper.is_some());
    let mut table = format!("<div class=\"scroll\"><table><thead><tr><th></th><th>{}</th>", to_html(heading));
    if compared {
        table += "<th>Saito <i>et al.</i></th>";
    }
    table += "</tr></thead><tbody>";
    for number in numbers {
        let _ = write!(table, "<tr><th>{}</th><td>{}</td>", to_html(&number.name), to_html(&number.value));
        if compared {
            let cell = number.paper.map_or(String::new(), |p| {
                format!("{} <small>({})</small>", to_html(p.text), to_html(p.place))
            });
            let _ = write!(table, "<td>{cell}</td>");
        }
        table += "</tr>";
    }
    table + "</tbody></table></div>"
}

/// Rows of a table, thinned where there are many.
pub(crate) fn data(shown: &Shown) -> String {
    let (table, rows) = (shown.table(), shown.rows());
    let step = rows.len().div_ceil(ROWS).max(1);
    let note = if step > 1 {
        format!("One in {step} of {} rows; all are in {}.csv.", rows.len(), escape(&table.name))
    } else {
        format!("Also in {}.csv.", escape(&table.name))
    };
    let head: String = table.columns.iter().map(|c| format!("<th>{}</th>", escape(&c.name))).collect();
    let mut body = String::new();
    for &row in rows.iter().step_by(step) {
        let cells: String =
            table.columns.iter().map(|c| format!("<td>{}</td>", cell(&c.values, row))).collect();
        let _ = write!(body, "<tr>{cells}</tr>");
    }
    format!(
        "<details><summary>Data: {}{}</summary><p>{note}{}</p><div class=\"scroll\"><table class=\"data\"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>",
        escape(&table.name),
        escape(&which(table, rows)),
        notes(table)
    )
}

/// What all shown rows of a table are of, in brackets: two parts of one table can stand below a figure.
fn which(table: &Table, rows: &[usize]) -> String {
    let common = |values: &Values| match values {
        Values::Text(words) => {
            let first = words.get(*rows.first()?)?;
            rows.iter().all(|&row| &words[row] == first).then(|| first.clone())
        }
        _ => None,
    };
    let kinds = table.columns.iter().filter(|c| !matches!(c.name.as_str(), "verdict" | "unit"));
    let words: Vec<String> = kinds.filter_map(|c| common(&c.values)).filter(|w| !w.is_empty()).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

fn notes(table: &Table) -> String {
    table.notes.iter().map(|note| format!(" {}.", escape(note.trim_end_matches('.')))).collect()
}

fn cell(values: &Values, row: usize) -> String {
    match values {
        Values::Text(words) => escape(&words[row]),
        Values::Integer(numbers) => numbers[row].to_string(),
        Values::Real(numbers) => to_html(&significant(numbers[row], 4)),
    }
}

/// Observables without a result, each with its reason.
fn missing(source: &Source) -> String {
    let lines: String = source
        .results
        .outcomes
        .iter()
        .filter_map(|outcome| Some((outcome, outcome.result.as_ref().err()?)))
        .map(|(outcome, missing)| {
            format!("<li><b>{}</b>: {}</li>", escape(&outcome.name), escape(&missing.reason))
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("<section id=\"missing\"><h2>Not measured, and why</h2><ul>{lines}</ul></section>\n")
}

fn provenance(source: &Source) -> String {
    let results = source.results;
    let mut rows = vec![
        ("version".to_string(), format!("Vitrion {}", results.version)),
        ("analysed by".to_string(), results.command.clone()),
    ];
    rows.extend(source.facts.provenance.iter().cloned());
    rows.extend(results.notes.iter().map(|note| ("note".to_string(), note.clone())));
    let rows = provenance_table(&rows);
    let keys: String = results
        .outcomes
        .iter()
        .map(|o| format!("<tr><th>{}</th><td><code>{}</code></td></tr>", escape(&o.name), escape(&o.key)))
        .collect();
    format!(
        "<section id=\"provenance\"><h2>Provenance</h2>{rows}\
         <details><summary>Keys of the observables (settings and data that each was measured with)</summary><table class=\"provenance\"><tbody>{keys}</tbody></table></details></section>\n"
    )
}

/// Names and what they stand for.
pub(crate) fn provenance_table(rows: &[(String, String)]) -> String {
    let line = |(name, value): &(String, String)| {
        format!("<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(value))
    };
    let rows: String = rows.iter().map(line).collect();
    format!("<table class=\"provenance\"><tbody>{rows}</tbody></table>")
}

const LAYOUT: &str = "\
:root{--ink:#24292f;--soft:#57606a;--line:#d8dde2;--back:#ffffff;--card:#ffffff;--link:#00639b}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e3e7eb;--soft:#a3abb4;--line:#343b43;--back:#0d1115;--card:#14181d;--link:#6cbcf0}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;color:var(--ink);background:var(--back)}
header,main{max-width:1240px;margin:0 auto;padding:0 16px}
header{padding-top:24px}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 .4rem}
h2{font-size:1.2rem;margin:2.2rem 0 .8rem;border-top:1px solid var(--line);padding-top:1rem}
h3{font-size:1rem;font-weight:500;margin:0 0 .5rem}
.facts{color:var(--soft);margin:.2rem 0 .8rem}
header p{max-width:75ch}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:16px;align-items:start}
.panel,.card{margin:0;padding:14px;border:1px solid var(--line);border-radius:8px;background:var(--card);min-width:0}
.card th{white-space:nowrap}
.panel tbody th{min-width:6.4rem}
.panel+.card{margin-top:16px}
.tall{grid-row:span 2}
.n2 .panel:not(.absent){max-width:640px}
@media (min-width:760px){.n2,.n4{grid-template-columns:repeat(2,1fr)}.n1{grid-template-columns:1fr}}
@media print,(min-width:760px){.n1 .panel:not(.absent){display:grid;grid-template-columns:1fr 1fr;grid-template-rows:repeat(6,auto) 1fr;column-gap:24px}\
.n1 h3{grid-column:1/-1}.n1 .chart{grid-row:2/8}.n1 .panel>:not(h3):not(.chart){grid-column:2}}
.absent{border-style:dashed;color:var(--soft)}
.reason{margin:0;font-size:.9rem;overflow-wrap:anywhere}
.chart{display:block;width:100%;height:auto;max-width:620px;margin:0 auto;font-family:inherit}
figcaption{font-size:.9rem}
figcaption p{margin:.5rem 0 0}
.definition{color:var(--soft);overflow-wrap:anywhere}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:.85rem;margin:.6rem 0 0;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.2rem .7rem .2rem 0;border-bottom:1px solid var(--line);vertical-align:top;font-weight:400}
thead th{color:var(--soft)}
.data td,.data th{white-space:nowrap}
.data{font-size:.78rem}
details{margin-top:.7rem;font-size:.85rem}
details .scroll{max-height:22rem;overflow-y:auto}
summary{cursor:pointer;color:var(--link)}
.provenance{width:100%;table-layout:fixed}
.provenance th{width:9rem;color:var(--soft)}
.provenance td{overflow-wrap:anywhere}
sub,sup{line-height:0}
section:last-child{margin-bottom:3rem}
@page{margin:14mm}
@media print{html{font-size:12px}body{font-size:12px;line-height:1.35}h2{margin-top:1.2rem}.panel,.card{padding:9px}.panels{gap:10px}.tall{grid-row:auto}.panel,tr{break-inside:avoid}.panels,.n2{grid-template-columns:1fr 1fr}.n1{grid-template-columns:1fr}details{display:none}h2{break-after:avoid}}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_table_are_told_apart() {
        let words = |words: [&str; 4]| words.map(ToString::to_string).to_vec();
        let table = Table::new("kww", "")
            .text("function", words(["isf_self", "isf_self", "isf_coherent", "isf_coherent"]))
            .text("species_or_weighting", words(["K", "xray", "xray", "all"]))
            .real("q_per_angstrom", "1/angstrom", vec![3.7; 4])
            .text("verdict", words(["determined"; 4]));
        assert_eq!(which(&table, &[0, 1]), " (isf_self)");
        assert_eq!(which(&table, &[2]), " (isf_coherent, xray)");
        assert_eq!(which(&table, &[0, 1, 2, 3]), "");
        assert_eq!(which(&table, &[]), "");
        let empty = Table::new("fit_points", "").text("function", vec![String::new()]);
        assert_eq!(which(&empty.text("species", vec!["all".to_string()]), &[0]), " (all)");
    }
}
