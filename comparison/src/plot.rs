//! Plots as SVG. Its law: legible on light and on dark ground, both axes by factors, ourselves in front.

use std::fmt::Write;

pub struct Axis {
    pub label: &'static str,
    /// From the first to the last of which the axis goes.
    pub ticks: Vec<f64>,
    pub format: fn(f64) -> String,
}

pub struct Panel {
    pub title: &'static str,
    pub x: Axis,
    pub y: Axis,
    /// The points of each line, ourselves first.
    pub lines: Vec<Vec<(f64, f64)>>,
}

const WIDTH: f64 = 430.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = WIDTH - 18.0;
const TOP: f64 = 72.0;
const BOTTOM: f64 = HEIGHT - 46.0;

const STYLE: &str = "
  text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #59636e; }
  .title { font-size: 14px; font-weight: 600; }
  .value { font-weight: 600; fill: #e5484d; }
  .grid { stroke: #818b98; stroke-opacity: 0.25; }
  .line { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
  .p0 { stroke-width: 3.5; stroke: #e5484d; } circle { fill: #e5484d; }
  .p1 { stroke: #4c86c6; } .p2 { stroke: #b0863c; } .p3 { stroke: #8a70c0; }
  @media (prefers-color-scheme: dark) { text { fill: #9198a1; } .value { fill: #ff6369; } }
";

/// The panels side by side, with one legend for the lines.
pub fn svg(names: &[&str], panels: &[Panel]) -> String {
    let width = WIDTH * panels.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" width=\"{width}\" \
         height=\"{HEIGHT}\" role=\"img\">\n<style>{STYLE}</style>\n"
    );
    let mut x = LEFT;
    for (number, name) in names.iter().enumerate() {
        let weight = if number == 0 { " class=\"title\"" } else { "" };
        let _ = writeln!(svg, "<path class=\"line p{number}\" d=\"M{x} 18h22\"/>");
        let _ = writeln!(
            svg,
            "<text{weight} x=\"{}\" y=\"22\">{name}</text>",
            x + 28.0
        );
        x += 58.0 + 7.0 * name.len() as f64;
    }
    for (number, panel) in panels.iter().enumerate() {
        let _ = writeln!(
            svg,
            "<g transform=\"translate({})\">",
            WIDTH * number as f64
        );
        panel.draw(&mut svg);
        svg += "</g>\n";
    }
    svg + "</svg>\n"
}

impl Panel {
    fn draw(&self, svg: &mut String) {
        let x = |value| LEFT + self.x.part(value) * (RIGHT - LEFT);
        let y = |value| BOTTOM - self.y.part(value) * (BOTTOM - TOP);
        let _ = writeln!(
            svg,
            "<text class=\"title\" x=\"{LEFT}\" y=\"54\">{}</text>",
            self.title
        );
        let middle = (LEFT + RIGHT) / 2.0;
        let _ = writeln!(
            svg,
            "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 8.0,
            self.x.label
        );
        for &tick in &self.y.ticks {
            let (at, text) = (y(tick), (self.y.format)(tick));
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>");
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 8.0,
                at + 4.0
            );
        }
        for &tick in &self.x.ticks {
            let (at, text) = (x(tick), (self.x.format)(tick));
            let _ = writeln!(
                svg,
                "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
                BOTTOM + 18.0
            );
        }
        // The first line is drawn last: in front.
        for (number, line) in self.lines.iter().enumerate().rev() {
            let points: Vec<_> = line
                .iter()
                .map(|point| format!("{:.1} {:.1}", x(point.0), y(point.1)))
                .collect();
            let _ = writeln!(
                svg,
                "<path class=\"line p{number}\" d=\"M{}\"/>",
                points.join("L")
            );
        }
        let ours = &self.lines[0];
        for &(at, value) in ours {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/>",
                x(at),
                y(value)
            );
        }
        for (&(at, value), anchor) in [ours.first(), ours.last()]
            .into_iter()
            .flatten()
            .zip(["start", "end"])
        {
            let (at, above, text) = (x(at), y(value) - 10.0, (self.y.format)(value));
            let _ = writeln!(
                svg,
                "<text class=\"value\" x=\"{at:.1}\" y=\"{above:.1}\" text-anchor=\"{anchor}\">{text}</text>"
            );
        }
    }
}

impl Axis {
    /// How far along the axis a value stands, 0 to 1.
    fn part(&self, value: f64) -> f64 {
        let [first, .., last] = self.ticks[..] else {
            panic!("an axis has two ends")
        };
        (value / first).ln() / (last / first).ln()
    }
}

/// The powers of ten around all points.
pub fn decades(lines: &[Vec<(f64, f64)>]) -> Vec<f64> {
    let powers = lines.iter().flatten().map(|point| point.1.log10());
    let (least, most) = powers.fold((f64::MAX, f64::MIN), |(least, most), power| {
        (least.min(power), most.max(power))
    });
    (least.floor() as i32..=most.ceil() as i32)
        .map(|power| 10_f64.powi(power))
        .collect()
}

/// With a prefix and three digits: 1.23 kB.
pub fn si(value: f64, unit: &str) -> String {
    let group = (value.log10() / 3.0 + 1e-9).floor().clamp(-3.0, 3.0);
    let prefix = ["n", "µ", "m", "", "k", "M", "G"][(group + 3.0) as usize];
    let value = value / 1000_f64.powf(group);
    let digits = 2 - (value.log10() + 1e-9).floor().clamp(0.0, 2.0) as usize;
    let number = format!("{value:.digits$}");
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        &number
    };
    format!("{number} {prefix}{unit}").trim_end().into()
}
