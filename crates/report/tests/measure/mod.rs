//! What a browser sees of a page.

use std::path::Path;
use std::process::Command;

/// What was found.
pub struct Seen {
    /// Width that the page needs (pixels).
    pub page_width: u32,
    /// Panels with a drawing.
    pub drawn: usize,
    /// Panels with a reason instead.
    pub absent: usize,
    /// What the page loaded besides itself.
    pub requests: Vec<String>,
    /// Empty or cut drawings, coordinates that are no numbers, reasons without words.
    pub faults: Vec<String>,
    /// Errors and warnings of the console.
    pub console: Vec<String>,
}

/// Measures the report in a frame; one finding a line.
const HARNESS: &str = r#"<!DOCTYPE html><meta charset="utf-8"><body style="margin:0"><pre id="found">nothing</pre>
<iframe id="frame" src="PAGE" style="border:0;width:WIDTHpx;height:900px"></iframe><script>
document.getElementById('frame').onload = event => {
  const page = event.target.contentDocument, lines = [], say = (...words) => lines.push(words.join('\t'));
  const view = event.target.contentWindow;
  say('width', page.documentElement.scrollWidth);
  for (const entry of view.performance.getEntriesByType('resource'))
    if (!entry.name.startsWith('data:')) say('request', entry.name);
  for (const node of page.querySelectorAll('[src],[href]')) {
    const link = node.getAttribute('src') || node.getAttribute('href');
    if (!link.startsWith('#') && !link.startsWith('data:')) say('request', link);
  }
  if (page.querySelector('script')) say('fault', 'the page has a script');
  const unique = new Set();
  for (const node of page.querySelectorAll('[id]')) {
    if (unique.has(node.id)) say('fault', 'two elements are called', node.id);
    unique.add(node.id);
  }
  for (const panel of page.querySelectorAll('.panel')) {
    const chart = panel.querySelector('svg'), reason = panel.querySelector('.reason');
    if (!chart) {
      say(reason && reason.textContent.trim().length > 10 ? 'absent' : 'fault', panel.id);
      continue;
    }
    say('drawn', panel.id);
    const outer = chart.getBoundingClientRect();
    if (outer.width < 250 || outer.height < 180) say('fault', panel.id, 'is', outer.width, 'x', outer.height);
    if (outer.right > view.innerWidth + 0.5) say('fault', panel.id, 'leaves the window');
    const data = chart.querySelectorAll('g[clip-path]');
    if (!data.length) say('fault', panel.id, 'has no axes');
    for (const group of data) {
      const box = group.getBBox();
      if (!(box.width > 0 || box.height > 0)) say('fault', panel.id, 'has empty axes');
    }
    for (const node of chart.querySelectorAll('*'))
      for (const attribute of node.attributes)
        if (/NaN|inf|undefined/.test(attribute.value) && attribute.name !== 'aria-label')
          say('fault', panel.id, node.tagName, attribute.name, attribute.value.slice(0, 60));
    for (const text of chart.querySelectorAll('text')) {
      const box = text.getBoundingClientRect();
      if (box.left < outer.left - 1 || box.right > outer.right + 1 || box.top < outer.top - 1 || box.bottom > outer.bottom + 1)
        say('fault', panel.id, 'cuts the text', text.textContent);
      if (parseFloat(getComputedStyle(text).fontSize) * outer.width / chart.viewBox.baseVal.width < 9)
        say('fault', panel.id, 'has text too small to read:', text.textContent);
    }
  }
  document.getElementById('found').textContent = lines.join('\n') + '\nend';
};
</script>"#;

/// Opens a page in a frame of this width.
pub fn look_at(page: &Path, width: u32) -> Seen {
    let directory = tempfile::tempdir().unwrap();
    let address = format!("file://{}", page.canonicalize().unwrap().display());
    let harness = directory.path().join("harness.html");
    std::fs::write(&harness, HARNESS.replace("PAGE", &address).replace("WIDTH", &width.to_string())).unwrap();
    let browser = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_string());
    let output = Command::new(&browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        // A frame of another file is otherwise out of reach.
        .args([
            "--allow-file-access-from-files",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
        ])
        .args(["--timeout=60000", "--virtual-time-budget=20000", "--window-size=1400,1000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", directory.path().join("profile").display()))
        .arg(format!("file://{}", harness.display()))
        .output()
        .unwrap_or_else(|e| panic!("{browser}: {e}; `make test-report` installs it"));
    let dom = String::from_utf8_lossy(&output.stdout);
    let log = String::from_utf8_lossy(&output.stderr);
    let found =
        dom.split("<pre id=\"found\">").nth(1).and_then(|rest| rest.split("</pre>").next()).unwrap_or("");
    assert!(found.ends_with("end"), "the browser did not measure the page: {found}\n{log}");
    let lines = |word: &str| -> Vec<String> {
        let start = format!("{word}\t");
        found
            .lines()
            .filter_map(|line| line.strip_prefix(&start))
            .map(|rest| rest.replace('\t', " "))
            .collect()
    };
    Seen {
        page_width: lines("width")[0].parse().unwrap(),
        drawn: lines("drawn").len(),
        absent: lines("absent").len(),
        requests: lines("request"),
        faults: lines("fault"),
        console: log.lines().filter(|line| line.contains("CONSOLE")).map(ToString::to_string).collect(),
    }
}
