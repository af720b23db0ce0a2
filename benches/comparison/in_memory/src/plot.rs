//! Plots as SVG.
//!
//! Invariant: legible on light and on dark backgrounds, both axes logarithmic, our line in front.

use std::fmt::Write;

pub struct Panel {
    pub title: &'static str,
    pub x_label: &'static str,
    /// The axis goes from the first to the last of them.
    pub x_ticks: Vec<(f64, String)>,
    pub y_unit: &'static str,
    /// The points of each line, ours first.
    pub lines: Vec<Vec<(f64, f64)>>,
}

const WIDTH: f64 = 430.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = WIDTH - 24.0;
const TOP: f64 = 74.0;
const BOTTOM: f64 = HEIGHT - 46.0;

/// The width of a value's text.
const VALUE: f64 = 80.0;

const STYLE: &str = "
  text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #59636e; }
  .strong { font-size: 14px; font-weight: 600; }
  .value { font-weight: 600; fill: #e5484d; }
  .grid { stroke: #818b98; stroke-opacity: 0.25; }
  .line { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
  .p0 { stroke-width: 3.5; stroke: #e5484d; } circle { fill: #e5484d; }
  .p1 { stroke: #4c86c6; } .p2 { stroke: #b0863c; } .p3 { stroke: #8a70c0; }
  .p2 { stroke-dasharray: 7 3; } .p3 { stroke-dasharray: 2 3; }
  @media (prefers-color-scheme: dark) { text { fill: #9198a1; } .value { fill: #ff6369; } }
";

/// The panels side by side, with one legend for the lines.
pub fn svg(names: &[&str], panels: &[Panel]) -> String {
    let width = WIDTH * panels.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\">\n\
         <style>{STYLE}</style>\n"
    );
    let mut x = LEFT;
    for (number, name) in names.iter().enumerate() {
        let _ = writeln!(svg, "<path class=\"line p{number}\" d=\"M{x} 18h24\"/>");
        let (class, letter) = if number == 0 {
            ("strong", 8.5)
        } else {
            ("", 6.6)
        };
        text(&mut svg, class, "start", (x + 30.0, 22.0), name);
        x += 56.0 + letter * name.len() as f64;
    }
    for (number, panel) in panels.iter().enumerate() {
        let at = WIDTH * number as f64;
        let _ = writeln!(svg, "<g transform=\"translate({at})\">");
        panel.draw(&mut svg);
        svg += "</g>\n";
    }
    svg + "</svg>\n"
}

fn text(svg: &mut String, class: &str, anchor: &str, (x, y): (f64, f64), text: &str) {
    let place = format!("x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"");
    let _ = writeln!(svg, "<text class=\"{class}\" {place}>{text}</text>");
}

impl Panel {
    fn draw(&self, svg: &mut String) {
        let y_ticks = decades(&self.lines);
        let x_ticks: Vec<_> = self.x_ticks.iter().map(|tick| tick.0).collect();
        let x = |value| LEFT + part(value, &x_ticks) * (RIGHT - LEFT);
        let y = |value| BOTTOM - part(value, &y_ticks) * (BOTTOM - TOP);
        text(svg, "strong", "start", (LEFT, 54.0), self.title);
        let middle = (LEFT + RIGHT) / 2.0;
        text(svg, "", "middle", (middle, HEIGHT - 8.0), self.x_label);
        for &tick in &y_ticks {
            let at = y(tick);
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>");
            text(
                svg,
                "",
                "end",
                (LEFT - 8.0, at + 4.0),
                &si(tick, self.y_unit),
            );
        }
        for (tick, name) in &self.x_ticks {
            text(svg, "", "middle", (x(*tick), BOTTOM + 18.0), name);
        }
        // The first line is drawn last: in front.
        for (number, line) in self.lines.iter().enumerate().rev() {
            let points = line
                .iter()
                .map(|point| format!("{:.1} {:.1}", x(point.0), y(point.1)));
            let points = points.collect::<Vec<_>>().join("L");
            let _ = writeln!(svg, "<path class=\"line p{number}\" d=\"M{points}\"/>");
        }
        let ours = &self.lines[0];
        for point in ours {
            let (x, y) = (x(point.0), y(point.1));
            let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>");
        }
        // The values at both ends, above all points nearby.
        for (anchor, end) in [("start", ours[0]), ("end", ours[ours.len() - 1])] {
            let near = ours
                .iter()
                .filter(|point| (x(point.0) - x(end.0)).abs() < VALUE);
            let top = near.map(|point| y(point.1)).fold(BOTTOM, f64::min);
            let value = si(end.1, self.y_unit);
            text(svg, "value", anchor, (x(end.0), top - 10.0), &value);
        }
    }
}

/// The place of a value along an axis, 0 to 1.
fn part(value: f64, ticks: &[f64]) -> f64 {
    let (first, last) = (ticks[0], ticks[ticks.len() - 1]);
    (value / first).ln() / (last / first).ln()
}

/// The powers of ten around all points.
fn decades(lines: &[Vec<(f64, f64)>]) -> Vec<f64> {
    let powers = || lines.iter().flatten().map(|point| point.1.log10());
    let (least, most) = (
        powers().fold(f64::MAX, f64::min),
        powers().fold(f64::MIN, f64::max),
    );
    let powers = least.floor() as i32..=most.ceil() as i32;
    powers.map(|power| 10_f64.powi(power)).collect()
}

/// With a prefix and three digits: 1.23 kB.
pub fn si(value: f64, unit: &str) -> String {
    let power = (value.log10() + 1e-9).floor() as i32;
    let group = power.div_euclid(3);
    let prefix = ["n", "µ", "m", "", "k", "M", "G"][(group + 3) as usize];
    let scale = 10_f64.powi(2 - power);
    let number = (value * scale).round() / scale / 1000_f64.powi(group);
    format!("{} {prefix}{unit}", (number * 1e3).round() / 1e3)
}
