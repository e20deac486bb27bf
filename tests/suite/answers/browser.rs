//! The pages in a real browser: they are whole, ask for nothing, do what they promise, and can be read by all.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use pipeline_tests::browser::{Browser, program};
use pipeline_tests::{Place, STAGES, json, ran, root, set, small, yaml};
use serde_json::json;

/// axe-core 4.14.1 (MPL-2.0), the usual checker of accessibility.
const AXE: &str = include_str!("../../assets/axe.min.js");

/// Two experiments and a family whose reports have finished, so that there is something to compare.
static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let place = Place::shared(|p| {
        small(p);
        // A word as long as the hash of a file, which stands in the text of other reports.
        set(p, "report.title", format!("Embedded <digits> {}", "0123456789abcdef".repeat(4)));
        let mut wide = p["experiments"]["digits"].clone();
        wide["train"]["hidden"] = yaml("[48]");
        p["experiments"]["wide"] = wide;
        let mut sizes = p["experiments"]["digits"].clone();
        sizes["montecarlo"]["grids"] = yaml("[]");
        sizes["family"] = yaml("{ladder: [150, 300, 600], replicas: 2, draws: 8}");
        p["experiments"]["sizes"] = sizes;
    });
    for experiment in ["digits", "wide"] {
        for stage in STAGES {
            let ran = ran(place.command(stage, experiment).output());
            assert_eq!(ran.code, 0, "{stage}: {}", ran.said);
        }
    }
    place.make(&["sizes"]).ended(0, &[]);
    place
});

fn report() -> PathBuf {
    PLACE.artifact("report/index.html")
}

/// Every kind of page, with its name.
fn pages() -> [(&'static str, PathBuf); 4] {
    [
        ("report", report()),
        ("family", PLACE.path("artifacts/sizes/report/index.html")),
        ("index", PLACE.path("artifacts/index.html")),
        ("compare", PLACE.path("artifacts/compare.html")),
    ]
}

fn screenshot(browser: &mut Browser, name: &str) {
    browser.screenshot(&root().join("target/screenshots").join(name));
}

/// Opens every folded part.
const UNFOLD: &str = "document.querySelectorAll('details').forEach((d) => { d.open = true; })";

const DESKTOP: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (390, 844);
/// The desktop at 200 %: half as many pixels of the page.
const ZOOMED: (u32, u32) = (640, 450);

#[test]
fn pages_are_whole_and_ask_for_nothing() {
    let Some(program) = program() else { return };
    let mut browser = Browser::start(&program);
    for (kind, (width, height)) in [("desktop", DESKTOP), ("phone", PHONE), ("zoomed", ZOOMED)] {
        for (stem, page) in pages() {
            browser.open(&page, width, height);
            let name = page.display();
            assert_eq!(browser.complaints(), Vec::<String>::new(), "{name}");
            assert_eq!(browser.requests(), [format!("file://{name}")], "{name}");
            let size = std::fs::metadata(&page).unwrap().len();
            assert!(size < 1_500_000, "{name}: {size} bytes");
            browser.evaluate(UNFOLD);
            browser.settle();
            // A figure without ink: an SVG of a few elements, or a canvas of one colour.
            let empty = browser.text(
                "(() => { const bad = [];
                  for (const s of document.querySelectorAll('figure svg:not([aria-hidden])')) if (s.querySelectorAll('*').length < 12) bad.push(s.closest('figure').id);
                  for (const c of document.querySelectorAll('canvas')) {
                    const d = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer);
                    if (new Set(d).size < 50) bad.push('canvas ' + c.getAttribute('aria-label'));
                  }
                  for (const i of document.querySelectorAll('[role=img]')) if (!(i.getAttribute('aria-label') || '').trim()) bad.push('no text: ' + i.outerHTML.slice(0, 80));
                  return bad.join('; '); })()",
            );
            assert_eq!(empty, "", "{name}");
            // Not `innerWidth`, which grows with the page on a phone.
            let wide = browser.evaluate("document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(wide <= u64::from(width), "{name} at {width}: {wide} pixels wide");
            browser.open(&page, width, height);
            screenshot(&mut browser, &format!("{stem}-{kind}.png"));
        }
    }
    browser.open(&report(), DESKTOP.0, DESKTOP.1);
    let figures = browser.evaluate("document.querySelectorAll('figure').length").as_u64().unwrap();
    let pictures = std::fs::read_dir(PLACE.artifact("report/figures")).unwrap().count() as u64;
    assert_eq!(figures * 3, pictures, "each figure as svg, png and csv");
    assert_eq!(browser.evaluate("document.querySelectorAll('canvas').length"), 6, "a pair per landscape");
}

/// K of the rows of `sufficient.json` at one tolerance, as the page writes them.
fn expected(method: &str, tolerance: f64) -> String {
    let document = json(PLACE.artifact("bound/sufficient.json"));
    let row = document["rows"].as_array().unwrap().iter().find(|r| {
        r["setting"] == "hessian-d10-s1"
            && r["method"] == method
            && r["tolerance"].as_f64() == Some(tolerance)
    });
    let row = row.unwrap();
    let Some(k) = row["k"].as_u64() else { return "not reached".to_owned() };
    let interval = match (row["low"].as_u64(), row["high"].as_u64()) {
        (Some(low), Some(high)) => format!(" [{low}, {high}]"),
        _ => String::new(),
    };
    let beyond = if row["status"] == "extrapolated" { " (beyond the samples at hand)" } else { "" };
    format!("{k}{interval}{beyond}")
}

#[test]
fn tolerance_lines_read_k_off() {
    let Some(program) = program() else { return };
    let mut browser = Browser::start(&program);
    browser.open(&report(), DESKTOP.0, DESKTOP.1);
    let cell = |browser: &mut Browser, row: usize, column: usize| {
        let cells =
            format!("document.querySelectorAll('.readings tbody tr')[{row}].cells[{column}].textContent");
        browser.text(&format!("{cells}.replace(/(\\d),(?=\\d{{3}})/g, '$1')"))
    };
    // Relative tolerances are rows without a line.
    assert_eq!(browser.evaluate("document.querySelectorAll('.readings tbody tr').length"), 5);
    for (row, tolerance) in [1e-4, 1e-7, 1e-10].into_iter().enumerate() {
        assert_eq!(cell(&mut browser, row, 1), expected("order-average", tolerance));
        assert_eq!(cell(&mut browser, row, 2), expected("monte-carlo", tolerance));
    }
    // Dragged down, a line asks for less change, so for more samples; the others stay.
    let (before, other) = (cell(&mut browser, 0, 1), cell(&mut browser, 2, 1));
    let at = browser.place(".tolerance .hit");
    browser.drag(at, (0.0, 40.0));
    let after = cell(&mut browser, 0, 1);
    let k = |text: &str| text.split(' ').next().unwrap().parse::<u64>().unwrap();
    assert!(k(&after) > k(&before), "{before} then {after}");
    assert_eq!(cell(&mut browser, 2, 1), other);
    let said = browser.text("document.querySelector('#sufficient [aria-live]').textContent");
    assert!(said.starts_with("For Δ_k below ") && said.contains("K = "), "{said}");
    // The keyboard does the same: up asks for more change.
    browser.key("ArrowUp");
    assert!(k(&cell(&mut browser, 0, 1)) < k(&after));
    // A tolerance typed in is taken as it is: 1e-4 again.
    browser.evaluate("(() => { const i = document.querySelector('.readings input'); i.value = '1e-4'; i.dispatchEvent(new Event('change')); })()");
    assert_eq!(cell(&mut browser, 0, 1), before);
    browser.evaluate("document.querySelector('.add').click()");
    assert_eq!(browser.evaluate("document.querySelectorAll('.tolerance').length"), 4);
    // Values under the pointer.
    let at = browser.place("#sufficient svg.chart");
    browser.mouse("mouseMoved", (at.0 - 200.0, at.1 - 150.0));
    let tip = browser.text("document.querySelector('#sufficient .tip').textContent");
    assert!(tip.contains("k = ") && tip.contains("measured ") && tip.contains("law "), "{tip}");
    // σ and directions are a choice.
    let curve = "document.querySelector('#sufficient path.measured').getAttribute('d')";
    let first = browser.text(curve);
    browser.evaluate("(() => { const s = document.querySelector('select.family'); s.value = 'random, d = 2'; s.dispatchEvent(new Event('change')); })()");
    let second = browser.text(curve);
    assert_ne!(first, second);
    assert_eq!(
        browser.text("[...document.querySelector('select.sigma').options].map((o) => o.text).join()"),
        "0.5,2"
    );
    browser.evaluate("(() => { const s = document.querySelector('select.sigma'); s.selectedIndex = 1; s.dispatchEvent(new Event('change')); })()");
    assert_ne!(browser.text(curve), second);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_page_without_tolerances_can_be_given_some() {
    let Some(program) = program() else { return };
    let mut browser = Browser::start(&program);
    let page = std::fs::read_to_string(report()).unwrap();
    let (before, after) = page.split_once("\"tolerances\":[").unwrap();
    let without = format!("{before}\"tolerances\":[{}", &after[after.find(']').unwrap()..]);
    let file = PLACE.path("without-tolerances.html");
    std::fs::write(&file, without).unwrap();
    browser.open(&file, DESKTOP.0, DESKTOP.1);
    let count = "document.querySelectorAll('.tolerance').length";
    assert_eq!(browser.evaluate(count), 0);
    browser.evaluate("(() => { const s = document.querySelector('select.sigma'); s.dispatchEvent(new Event('change')); })()");
    browser.evaluate("document.querySelector('.add').click()");
    assert_eq!(browser.evaluate(count), 1);
    let k = "document.querySelector('.readings tbody tr').cells[1].textContent";
    let first = browser.text(k);
    assert!(first.starts_with(|c: char| c.is_ascii_digit()), "{first}");
    // So small a tolerance that k and k + 1 are one number there: the page must not look for the next k for ever.
    browser.evaluate("(() => { const i = document.querySelector('.readings input'); i.value = '1e-60'; i.dispatchEvent(new Event('change')); })()");
    let tiny = browser.text(k);
    assert!(tiny.len() > 25 && tiny.ends_with("(beyond the samples at hand)"), "{tiny}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn charts_show_values_hide_lines_and_zoom() {
    let Some(program) = program() else { return };
    let mut browser = Browser::start(&program);
    browser.open(&report(), DESKTOP.0, DESKTOP.1);
    // Folded charts are drawn once they are opened.
    let drawn = "document.querySelectorAll('#figure-9 svg.chart .axis').length";
    assert_eq!(browser.evaluate(drawn), 0);
    browser.evaluate(UNFOLD);
    browser.settle();
    assert_eq!(browser.evaluate(drawn), 1);
    let bad = "[...document.querySelectorAll('.panels')].filter((p) => !p.querySelector('svg.chart [clip-path] path')).map((p) => p.dataset.name).join()";
    assert_eq!(browser.text(bad), "");
    // The last value of the curve is that of the table.
    let csv = std::fs::read_to_string(PLACE.artifact("report/figures/training.csv")).unwrap();
    let last = csv
        .lines()
        .rfind(|l| l.starts_with("Loss,test"))
        .unwrap()
        .rsplit(',')
        .next()
        .unwrap()
        .parse::<f64>()
        .unwrap();
    browser.evaluate("document.querySelector('#training svg.chart').focus()");
    for _ in 0..40 {
        browser.key("ArrowRight");
    }
    let tip = browser.text("document.querySelector('#training .tip').textContent");
    let said = tip
        .lines()
        .find_map(|l| l.strip_prefix("test, after the epoch: "))
        .unwrap_or_else(|| panic!("{tip}"));
    assert!((said.parse::<f64>().unwrap() / last - 1.0).abs() < 0.01, "{tip}, {last}");
    // A line leaves both panels, and comes back.
    let lines = "document.querySelectorAll('#training [clip-path] path').length";
    let all = browser.evaluate(lines).as_u64().unwrap();
    browser.evaluate("document.querySelector('#training .legend input').click()");
    assert_eq!(browser.evaluate(lines).as_u64().unwrap(), all - 2);
    browser.evaluate("document.querySelector('#training .legend input').click()");
    assert_eq!(browser.evaluate(lines).as_u64().unwrap(), all);
    // A part is looked at, and the whole again.
    let picture = "document.querySelector('#training svg.chart').outerHTML";
    let whole = browser.text(picture);
    let at = browser.place("#training svg.chart");
    browser.drag((at.0 - 80.0, at.1 - 60.0), (120.0, 90.0));
    let part = browser.text(picture);
    assert_ne!(part, whole);
    browser.evaluate("[...document.querySelectorAll('#training .legend button')].find((b) => b.textContent === 'whole').click()");
    browser.evaluate("document.querySelector('#training svg.chart').blur()");
    let marks = |text: &str| text.matches("class=\"grid\"").count();
    assert_eq!(marks(&browser.text(picture)), marks(&whole));
    // Symbols are set as in the still pictures.
    assert!(browser.text("document.querySelector('#figure-9 svg.chart').textContent").contains('Δ'));
    assert_eq!(browser.text("[...document.querySelectorAll('#figure-9 svg.chart text')].filter((t) => t.textContent.includes('_')).map((t) => t.textContent).join()"), "");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_first_screen_answers() {
    let Some(program) = program() else { return };
    let mut browser = Browser::start(&program);
    for (width, height) in [DESKTOP, PHONE] {
        browser.open(&report(), width, height);
        // The number, its status and its bar need no scrolling.
        let low = "Math.max(...['.number .value', '.number .status', '.number .bar'].map((s) => document.querySelector(s).getBoundingClientRect().bottom))";
        let low = browser.evaluate(low).as_f64().unwrap();
        assert!(low < f64::from(height), "{width}: {low}");
    }
    // A link to a folded part opens it.
    browser.open(&report(), DESKTOP.0, DESKTOP.1);
    assert_eq!(browser.evaluate("document.getElementById('theory').open"), false);
    browser.evaluate("document.querySelector('nav a[href=\"#theory\"]').click()");
    browser.settle();
    assert_eq!(browser.evaluate("document.getElementById('theory').open"), true);
}

#[test]
fn surfaces_turn_zoom_and_follow_the_slider() {
    let Some(program) = program() else { return };
    let mut browser = Browser::start(&program);
    browser.open(&report(), DESKTOP.0, DESKTOP.1);
    let root = "document.querySelector('[data-live=surface]')";
    let picture = |browser: &mut Browser| {
        browser.settle();
        browser.text(&format!("[...{root}.querySelectorAll('canvas')].map((c) => c.toDataURL()).join()"))
    };
    let sizes = browser.evaluate(&format!("+{root}.querySelector('input').max")).as_u64().unwrap();
    assert!(sizes >= 5, "{sizes} places of the slider");
    let last = picture(&mut browser);
    assert_eq!(browser.text(&format!("{root}.querySelector('output').textContent")), "k = 1,436");
    browser.evaluate(&format!("(() => {{ const i = {root}.querySelector('input'); i.value = 0; i.dispatchEvent(new Event('input')); }})()"));
    assert_eq!(browser.text(&format!("{root}.querySelector('output').textContent")), "k = 1");
    let said = browser.text(&format!("{root}.querySelector('[aria-live]').textContent"));
    assert!(said.starts_with("At k = 1, the mean loss runs from "), "{said}");
    let mut pictures = vec![last, picture(&mut browser)];
    let at = browser.place("[data-live=surface] canvas");
    browser.drag(at, (80.0, 20.0));
    pictures.push(picture(&mut browser));
    browser.evaluate(&format!("{root}.querySelector('canvas').focus()"));
    browser.key("ArrowLeft");
    pictures.push(picture(&mut browser));
    browser.key("+");
    pictures.push(picture(&mut browser));
    browser.evaluate(&format!("{root}.querySelector('.log').click()"));
    pictures.push(picture(&mut browser));
    for i in 1..pictures.len() {
        assert!(pictures[i] != pictures[i - 1], "step {i} changed nothing");
    }
    browser.evaluate(&format!("for (const b of ['.log', '.reset']) {root}.querySelector(b).click()"));
    assert!(picture(&mut browser) == pictures[1], "reset gives the first view back");
    // At k = 1 the heights reach farthest; with one scale for all k, a later surface is flatter than on its own.
    browser.evaluate(&format!("(() => {{ const i = {root}.querySelector('input'); i.value = 4; i.dispatchEvent(new Event('input')); }})()"));
    let own = picture(&mut browser);
    browser.evaluate(&format!("{root}.querySelector('.common').click()"));
    assert!(picture(&mut browser) != own, "one scale for all k");
    // The stills can be had beside them.
    let still = "getComputedStyle(document.querySelector('.landscape .replaced')).display";
    assert_eq!(browser.text(still), "none");
    browser.evaluate(&format!("{root}.querySelector('.stills').click()"));
    assert_eq!(browser.text(still), "block");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn experiments_are_compared_side_by_side() {
    let Some(program) = program() else { return };
    let mut browser = Browser::start(&program);
    browser.open(&PLACE.path("artifacts/compare.html"), DESKTOP.0, DESKTOP.1);
    let curves = "document.querySelectorAll('path.measured').length";
    assert_eq!(browser.evaluate(curves), 2);
    assert_eq!(browser.evaluate("document.querySelectorAll('.readings tbody tr').length"), 2);
    // Each has a colour of its own, in curve and marks.
    let colours =
        "new Set([...document.querySelectorAll('path.measured')].map((p) => p.getAttribute('stroke'))).size";
    assert_eq!(browser.evaluate(colours), 2);
    browser.evaluate("document.querySelector('.choose input').click()");
    assert_eq!(browser.evaluate(curves), 1);
    assert_eq!(browser.evaluate("document.querySelectorAll('.readings tbody tr').length"), 1);
    let numbers =
        browser.text("[...document.querySelectorAll('main > .scroll')].map((t) => t.textContent).join()");
    assert!(numbers.contains("64-32-10") && numbers.contains("64-48-10"), "{numbers}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn without_javascript_and_on_paper_the_pictures_stand_in() {
    let Some(program) = program() else { return };
    let mut browser = Browser::start(&program);
    let html = std::fs::read_to_string(report()).unwrap();
    let mut rest = html.as_str();
    let mut without = String::new();
    while let Some((before, after)) = rest.split_once("<script") {
        without += before;
        rest = after.split_once("</script>").unwrap().1;
    }
    let file = report().with_file_name("without-javascript.html");
    std::fs::write(&file, without + rest).unwrap();
    let shown = |browser: &mut Browser, selector: &str| {
        browser.text(&format!("[...document.querySelectorAll('{selector}')].filter((e) => e.getClientRects().length > 0).length + ' of ' + document.querySelectorAll('{selector}').length"))
    };
    let all = |text: &str| text.split_once(" of ").is_some_and(|(a, b)| a == b && a != "0");
    browser.open(&file, DESKTOP.0, DESKTOP.1);
    browser.evaluate(UNFOLD);
    assert!(all(&shown(&mut browser, ".still svg")), "{}", shown(&mut browser, ".still svg"));
    assert!(shown(&mut browser, ".live").starts_with("0 of"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
    screenshot(&mut browser, "report-without-javascript.png");
    std::fs::remove_file(file).unwrap();

    browser.open(&report(), DESKTOP.0, DESKTOP.1);
    browser.evaluate("document.querySelectorAll('details.part details').forEach((d) => { d.open = true; })");
    // Paper opens the parts of the page by itself.
    browser.call("Emulation.setEmulatedMedia", json!({"media": "print"}));
    browser.settle();
    assert!(all(&shown(&mut browser, ".still svg")), "{}", shown(&mut browser, ".still svg"));
    assert!(shown(&mut browser, ".live").starts_with("0 of"));
    let paper = browser.call("Page.printToPDF", json!({}));
    assert!(paper["data"].as_str().unwrap().len() > 50_000);
}

#[test]
fn nobody_is_shut_out() {
    let Some(program) = program() else { return };
    let mut browser = Browser::start(&program);
    for (scheme, (width, height)) in
        [("dark", DESKTOP), ("dark", PHONE), ("light", DESKTOP), ("light", PHONE)]
    {
        browser.call(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
        for (name, page) in pages() {
            browser.open(&page, width, height);
            browser.evaluate(UNFOLD);
            browser.settle();
            browser.evaluate(&format!("{AXE}; 0"));
            let found = browser.evaluate(
                "axe.run().then((r) => r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html.slice(0, 160) + ' ' + n.failureSummary).join(' | ')))",
            );
            assert_eq!(found, json!([]), "{} {scheme} {width}", page.display());
            if scheme == "dark" {
                let kind = if width < 600 { "phone" } else { "desktop" };
                screenshot(&mut browser, &format!("{name}-dark-{kind}.png"));
            }
        }
    }
    // The button overrules the system.
    let ground = "getComputedStyle(document.body).backgroundColor";
    browser.open(&report(), DESKTOP.0, DESKTOP.1);
    let light = browser.text(ground);
    browser.evaluate("{ const b = document.querySelector('button.theme'); b.click(); b.click(); }");
    assert_ne!(browser.text(ground), light);
}

#[test]
fn the_checker_of_accessibility_finds_faults_where_there_are_some() {
    let Some(program) = program() else { return };
    let mut browser = Browser::start(&program);
    let file = PLACE.path("faulty.html");
    std::fs::write(&file, "<title>t</title><img src='data:,'><button></button>").unwrap();
    browser.open(Path::new(&file), DESKTOP.0, DESKTOP.1);
    browser.evaluate(&format!("{AXE}; 0"));
    let found = browser.evaluate("axe.run().then((r) => r.violations.map((v) => v.id))");
    let found = found.as_array().unwrap();
    assert!(found.contains(&json!("image-alt")) && found.contains(&json!("button-name")), "{found:?}");
}
